/** What the page says when something goes wrong, and what may be done. */
import { area } from './area.svelte';

export const problems = area(
  {
    unexpected: 'The page could not do that',
    unreachable: 'The server does not answer',
    unauthorized: 'The server asks for its token',
    forbidden: 'The server does not allow it',
    notFound: 'It is not there any more',
    conflict: 'It does not fit what is there now',
    tooLarge: 'That is more than the server takes',
    refused: 'The server does not take these values',
    tooMany: 'Too many requests; wait a moment',
    failed: 'The server failed',
    request: 'Request',
    noAnswer: 'Nothing came back. Is it running, and is there a network? What runs there goes on.',
    cut: 'Its answer broke off or cannot be read.',
    answered: (status: number) => `It answered ${status}.`,
  },
  {
    unexpected: 'La page n’a pas pu le faire',
    unreachable: 'Le serveur ne répond pas',
    unauthorized: 'Le serveur demande son jeton',
    forbidden: 'Le serveur ne le permet pas',
    notFound: 'Cela n’existe plus',
    conflict: 'Cela ne va pas avec l’état actuel',
    tooLarge: 'C’est plus que ce que le serveur accepte',
    refused: 'Le serveur refuse ces valeurs',
    tooMany: 'Trop de requêtes ; patientez un instant',
    failed: 'Le serveur a échoué',
    request: 'Requête',
    noAnswer: 'Rien n’est revenu. Tourne-t-il, et y a-t-il un réseau ? Ce qui tourne là-bas continue.',
    cut: 'Sa réponse s’est interrompue ou ne peut être lue.',
    answered: (status: number) => `Il a répondu ${status}.`,
  },
);
