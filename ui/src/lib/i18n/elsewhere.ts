/** Notices of what happens in workflows and runs that are not looked at. */
import { area } from './area.svelte';

export const elsewhere = area(
  {
    completed: (name: string) => `“${name}” is completed`,
    failed: (name: string, why: string) => (why ? `“${name}” failed: ${why}` : `“${name}” failed`),
    cancelled: (name: string) => `“${name}” was cancelled`,
    interrupted: (name: string, why: string) =>
      why ? `“${name}” was interrupted: ${why}` : `“${name}” was interrupted`,
    waits: (name: string) => `“${name}” waits for your decision`,
    asks: (name: string) => `“${name}” asks you something`,
    notSent: (name: string, why: string) =>
      `Your message to “${name}” was not sent, it is kept there as a draft: ${why}`,
    decide: 'Decide',
    unnamed: 'A workflow',
  },
  {
    completed: (name: string) => `« ${name} » est terminé`,
    failed: (name: string, why: string) => (why ? `« ${name} » a échoué : ${why}` : `« ${name} » a échoué`),
    cancelled: (name: string) => `« ${name} » a été annulé`,
    interrupted: (name: string, why: string) =>
      why ? `« ${name} » a été interrompu : ${why}` : `« ${name} » a été interrompu`,
    waits: (name: string) => `« ${name} » attend votre décision`,
    asks: (name: string) => `« ${name} » vous pose une question`,
    notSent: (name: string, why: string) =>
      `Votre message à « ${name} » n’a pas été envoyé, il y est gardé comme brouillon : ${why}`,
    decide: 'Décider',
    unnamed: 'Un workflow',
  },
);
