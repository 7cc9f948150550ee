/** What jsdom lacks and the page needs: enough of each for components to be mounted in tests. */
import { TextDecoderStream } from 'node:stream/web';

class Watcher {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
  takeRecords(): [] {
    return [];
  }
}
if (typeof document !== 'undefined') {
  Object.assign(globalThis, { ResizeObserver: Watcher, IntersectionObserver: Watcher, TextDecoderStream });
  globalThis.matchMedia ??= (media: string) =>
    ({ media, matches: false, addEventListener() {}, removeEventListener() {} }) as unknown as MediaQueryList;
  HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
    this.open = true;
  };
  HTMLDialogElement.prototype.show ??= function (this: HTMLDialogElement) {
    this.open = true;
  };
  HTMLDialogElement.prototype.close ??= function (this: HTMLDialogElement, value?: string) {
    this.open = false;
    this.returnValue = value ?? '';
    this.dispatchEvent(new Event('close'));
  };
  HTMLElement.prototype.showPopover ??= function (this: HTMLElement) {
    this.dataset.open = 'true';
  };
  HTMLElement.prototype.hidePopover ??= function (this: HTMLElement) {
    delete this.dataset.open;
  };
  Element.prototype.scrollIntoView ??= () => {};
  Element.prototype.animate ??= () => ({ cancel() {}, finished: Promise.resolve() }) as unknown as Animation;
  HTMLCanvasElement.prototype.getContext = () => null;
}
