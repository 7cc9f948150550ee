/** An edit of a call's arguments, as a form or as JSON. */
import { changesOf, fieldsOf, readFields, readJson, type Arguments } from './arguments';

export class Editing {
  readonly given: Arguments;
  fields = $state(fieldsOf({}));
  /** The arguments as JSON where they are written so. */
  json = $state<string | null>(null);
  readonly #formed = $derived.by(() => readFields(this.fields, this.given));
  readonly #written = $derived(this.json === null ? null : readJson(this.json));
  readonly wrong = $derived(this.#written ? null : this.#formed.wrong);
  readonly wrongJson = $derived(this.#written?.wrong ?? null);
  /** The arguments as they were edited; null while they cannot be read. */
  readonly values = $derived(
    this.#written ? this.#written.values : this.#formed.wrong.size > 0 ? null : this.#formed.values,
  );
  readonly changes = $derived.by(() => (this.values ? changesOf(this.given, this.values) : []));

  constructor(given: Arguments) {
    this.given = given;
    this.fields = fieldsOf(given);
  }

  /** Goes on as JSON; what is in the fields comes along. */
  asJson(): void {
    this.json = JSON.stringify(this.#formed.values, null, 2);
  }

  /** Goes back to the form, where the JSON can be read. */
  asForm(): void {
    if (!this.#written?.values) return;
    this.fields = fieldsOf(this.#written.values);
    this.json = null;
  }
}
