/** Words for what a step is; a kind of a library's own has no other word than its name. */
import { area } from './area.svelte';

const words = area<Record<string, string>>(
  {
    agent: 'agent',
    model: 'model',
    tool: 'tool',
    call: 'call',
    tools: 'tools',
    workflow: 'workflow',
    function: 'function',
    step: 'step',
    plan: 'plan',
    branch: 'branch',
    question: 'question',
  },
  {
    agent: 'agent',
    model: 'modèle',
    tool: 'outil',
    call: 'appel',
    tools: 'outils',
    workflow: 'workflow',
    function: 'fonction',
    step: 'étape',
    plan: 'plan',
    branch: 'branche',
    question: 'question',
  },
);

/** Returns the word for a kind of step. */
export function wordOfKind(kind: string): string {
  const known = words();
  return Object.hasOwn(known, kind) ? (known[kind] ?? kind) : kind;
}
