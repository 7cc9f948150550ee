/** Words of forms: what is wrong with a field, and what is done with a form. */
import { number } from '$lib/format';
import type { Complaint } from '$lib/forms/checks';
import { area } from './area.svelte';

export const formWords = area(
  {
    required: 'This is needed.',
    control: 'One line, without control characters.',
    notNumber: 'This is not a number.',
    notWhole: 'Only whole numbers.',
    model: 'A model is named provider:model, as in openai:gpt-5.',
    id: 'Letters, digits, “_” and “-”; 128 at most.',
    serverName: 'Letters without accents, digits, “_” and “-”; 64 at most.',
    address: 'An address begins with http:// or https:// and has no spaces.',
    pairs: 'Each needs a name of its own: letters, digits and “_”, not beginning with a digit.',
    longer: (length: string, most: string) => `${length} characters; ${most} are allowed.`,
    between: (min: string, max: string) => `From ${min} to ${max}.`,
    atMost: (most: string) => `${most} at most.`,
    line: (line: string) => `“${line}” is too long or not understood.`,
    left: (length: string, most: string) => `${length} of ${most} characters`,
    save: 'Save',
    saving: 'Saving…',
    discard: 'Discard changes',
    unsaved: 'Unsaved changes',
    saved: 'Everything is saved',
    fix: (count: number) => (count === 1 ? 'One field is wrong' : `${count} fields are wrong`),
  },
  {
    required: 'Ce champ est nécessaire.',
    control: 'Une seule ligne, sans caractères de contrôle.',
    notNumber: 'Ce n’est pas un nombre.',
    notWhole: 'Des nombres entiers seulement.',
    model: 'Un modèle s’écrit fournisseur:modèle, comme openai:gpt-5.',
    id: 'Lettres, chiffres, « _ » et « - » ; 128 au plus.',
    serverName: 'Lettres sans accent, chiffres, « _ » et « - » ; 64 au plus.',
    address: 'Une adresse commence par http:// ou https:// et n’a pas d’espaces.',
    pairs: 'Chacune a son propre nom : lettres, chiffres et « _ », sans chiffre au début.',
    longer: (length: string, most: string) => `${length} caractères ; ${most} sont permis.`,
    between: (min: string, max: string) => `De ${min} à ${max}.`,
    atMost: (most: string) => `${most} au plus.`,
    line: (line: string) => `« ${line} » est trop long ou incompréhensible.`,
    left: (length: string, most: string) => `${length} caractères sur ${most}`,
    save: 'Enregistrer',
    saving: 'Enregistrement…',
    discard: 'Abandonner les modifications',
    unsaved: 'Modifications non enregistrées',
    saved: 'Tout est enregistré',
    fix: (count: number) => (count === 1 ? 'Un champ est incorrect' : `${count} champs sont incorrects`),
  },
);

/** Tells what is wrong with a field as a sentence. */
export function said(complaint: Complaint | undefined): string | undefined {
  if (!complaint) return undefined;
  const t = formWords();
  switch (complaint.rule) {
    case 'longer':
      return t.longer(number(complaint.length), number(complaint.most));
    case 'between':
      return t.between(number(complaint.min), number(complaint.max));
    case 'atMost':
      return t.atMost(number(complaint.most));
    case 'line':
      return t.line(complaint.line.slice(0, 60));
    default:
      return t[complaint.rule];
  }
}
