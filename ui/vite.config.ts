/** How the page is built: one entry, the shared worker beside it, and lazy screens. */
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const here = (folder: string) => fileURLToPath(new URL(folder, import.meta.url));

export default defineConfig({
  base: './',
  resolve: { alias: { $lib: here('./src/lib'), $types: here('./src/types') } },
  plugins: [svelte(), svelteTesting({ autoCleanup: false })],
  build: {
    target: 'es2022',
    outDir: '../src/stretto/server/static',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    license: { fileName: 'licenses.txt' }, // goes along with what is built, as the licences want
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es' },
  server: { port: 5173, strictPort: true, proxy: { '/api': 'http://127.0.0.1:8400' } },
  test: {
    environment: 'jsdom',
    setupFiles: ['./vitest.setup.ts'],
    include: ['src/**/*.test.ts'],
    // a context for each file in threads that stay: every worker would read jsdom again, which takes most of the time
    pool: 'vmThreads',
    maxWorkers: 2, // a single one would give one context to all files
  },
});
