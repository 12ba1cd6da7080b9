// What went wrong, told as it is found and counted at the end.

// So many are told of one check: a mistake in the layout is one on each page in each look.
const TOLD = 12;

export class Failures {
  #counts = new Map();

  // Where: page, width, scheme. What: the check. Detail: the selector or message.
  add(where, what, detail) {
    const count = (this.#counts.get(what) ?? 0) + 1;
    this.#counts.set(what, count);
    if (count <= TOLD) console.error(`FAILED ${where}: ${what}: ${detail}`);
    if (count === TOLD + 1) console.error(`FAILED and more of: ${what}`);
  }

  // Whether there were none.
  tell() {
    for (const [what, count] of this.#counts) console.error(`FAILED ${count} times: ${what}`);
    return this.#counts.size === 0;
  }
}
