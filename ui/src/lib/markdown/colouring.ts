/** Colours code: the colouring and each language are loaded when the first block of it is closed. */
import type { HLJSApi, LanguageFn } from 'highlight.js';

type Loader = () => Promise<{ default: LanguageFn }>;
const LANGUAGES: Record<string, Loader> = {
  bash: () => import('highlight.js/lib/languages/bash'),
  c: () => import('highlight.js/lib/languages/c'),
  cpp: () => import('highlight.js/lib/languages/cpp'),
  csharp: () => import('highlight.js/lib/languages/csharp'),
  css: () => import('highlight.js/lib/languages/css'),
  diff: () => import('highlight.js/lib/languages/diff'),
  dockerfile: () => import('highlight.js/lib/languages/dockerfile'),
  go: () => import('highlight.js/lib/languages/go'),
  ini: () => import('highlight.js/lib/languages/ini'),
  java: () => import('highlight.js/lib/languages/java'),
  javascript: () => import('highlight.js/lib/languages/javascript'),
  json: () => import('highlight.js/lib/languages/json'),
  kotlin: () => import('highlight.js/lib/languages/kotlin'),
  makefile: () => import('highlight.js/lib/languages/makefile'),
  markdown: () => import('highlight.js/lib/languages/markdown'),
  php: () => import('highlight.js/lib/languages/php'),
  python: () => import('highlight.js/lib/languages/python'),
  ruby: () => import('highlight.js/lib/languages/ruby'),
  rust: () => import('highlight.js/lib/languages/rust'),
  sql: () => import('highlight.js/lib/languages/sql'),
  swift: () => import('highlight.js/lib/languages/swift'),
  typescript: () => import('highlight.js/lib/languages/typescript'),
  xml: () => import('highlight.js/lib/languages/xml'),
  yaml: () => import('highlight.js/lib/languages/yaml'),
};
const ALIASES: Record<string, string> = {
  'c++': 'cpp',
  cs: 'csharp',
  console: 'bash',
  docker: 'dockerfile',
  golang: 'go',
  html: 'xml',
  js: 'javascript',
  jsonc: 'json',
  jsx: 'javascript',
  kt: 'kotlin',
  make: 'makefile',
  md: 'markdown',
  patch: 'diff',
  py: 'python',
  rb: 'ruby',
  rs: 'rust',
  sh: 'bash',
  shell: 'bash',
  svelte: 'xml',
  svg: 'xml',
  toml: 'ini',
  ts: 'typescript',
  tsx: 'typescript',
  vue: 'xml',
  yml: 'yaml',
  zsh: 'bash',
};
/** Longer code is shown without colours (characters). */
export const LONGEST_CODE = 20_000;
const MOST = 200;

const loaded = new Map<string, Promise<unknown>>();
const done = new Map<string, string>();
let core: Promise<HLJSApi> | null = null;

/** Returns the language whose colours are known under a name, or null. */
export function languageOf(name: string): string | null {
  const found = Object.hasOwn(ALIASES, name) ? (ALIASES[name] ?? name) : name;
  return Object.hasOwn(LANGUAGES, found) ? found : null;
}

/** Returns code as HTML with a class for each kind of word, or null where it has no colours. */
export async function coloured(code: string, name: string): Promise<string | null> {
  const language = languageOf(name);
  if (!language || code.length > LONGEST_CODE) return null;
  const key = `${language}\n${code}`;
  const known = done.get(key);
  if (known !== undefined) return known;
  core ??= import('highlight.js/lib/core').then((module) => module.default);
  const highlighter = await core;
  const loader = LANGUAGES[language];
  if (!loader) return null;
  if (!loaded.has(language))
    loaded.set(
      language,
      loader().then((module) => highlighter.registerLanguage(language, module.default)),
    );
  await loaded.get(language);
  const html = highlighter.highlight(code, { language, ignoreIllegals: true }).value;
  const oldest = done.keys().next();
  if (done.size >= MOST && !oldest.done) done.delete(oldest.value);
  done.set(key, html);
  return html;
}
