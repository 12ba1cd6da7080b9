// Waits for what comes in its own time, and never for ever: the machine may be much slower than the one that this was written on.

export const PATIENCE_MS = 60_000;

// The first truthy answer of `ask`.
export async function eventually(what, ask, limit = PATIENCE_MS) {
  const end = Date.now() + limit;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
