/** The worker that all tabs share: it holds the one connection to the server. */
import { Ports } from './ports';
import type { Said } from './told';

const scope = self as unknown as { onconnect: ((event: MessageEvent) => void) | null };

/** Waits until a tab's lock is free: that is when the tab is gone, however it went. */
function released(lock: string): Promise<void> {
  const held = 'locks' in navigator ? navigator.locks.request(lock, () => {}) : new Promise<void>(() => {});
  return Promise.resolve(held).then(() => undefined);
}

const ports = new Ports(released);
scope.onconnect = (event) => {
  const [port] = event.ports;
  if (port) port.onmessage = (message: MessageEvent<Said>) => ports.said(port, message.data);
};
