/** Gives the reader a file that the page made. */

/** Saves a value as indented JSON under a name. */
export function downloadJson(name: string, value: unknown): void {
  const url = URL.createObjectURL(new Blob([JSON.stringify(value, null, 2)], { type: 'application/json' }));
  saveAs(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Has the browser save what stands at an address under a name; the page stays where it is. */
export function saveAs(url: string, name: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
}

/** Returns a name that every file system takes. */
export function fileName(name: string, ending: string): string {
  const plain = name
    .normalize('NFKD')
    .replace(/[^\w.-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 80);
  return `${plain || 'stretto'}${ending}`;
}
