/**
 * Cuts one Arrow IPC stream, which arrives in chunks of any size, into its
 * messages. A message is complete only with its body, whose length stands in the
 * flatbuffer of its head.
 */
export type Frame = { kind: "schema" | "dictionary" | "batch" | "other"; bytes: Uint8Array };

// Header types of an Arrow `Message`, from its flatbuffer schema.
const kinds: Record<number, Frame["kind"]> = { 1: "schema", 2: "dictionary", 3: "batch" };
const CONTINUATION = 0xffffffff;

export class FrameSplitter {
  private pending = new Uint8Array(0);
  private ended = false;

  /** Takes a chunk, and answers the messages that are complete with it. */
  push(chunk: Uint8Array): Frame[] {
    this.pending = this.pending.length === 0 ? chunk.slice() : concat(this.pending, chunk);
    const frames: Frame[] = [];
    let offset = 0;
    while (!this.ended) {
      const next = readFrame(this.pending, offset);
      if (next === "more") break;
      if (next === "end") {
        this.ended = true;
        break;
      }
      // A copy of its own starts at offset 0, where typed arrays are aligned.
      frames.push({ kind: next.kind, bytes: this.pending.slice(offset, next.end) });
      offset = next.end;
    }
    this.pending = this.pending.slice(offset);
    return frames;
  }

  /** Bytes of a message that has begun and not ended. */
  get waiting(): number {
    return this.ended ? 0 : this.pending.length;
  }
}

function readFrame(buffer: Uint8Array, offset: number): { kind: Frame["kind"]; end: number } | "more" | "end" {
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  if (offset + 4 > buffer.length) return "more";
  let at = offset;
  let length = view.getUint32(at, true);
  at += 4;
  if (length === CONTINUATION) {
    if (at + 4 > buffer.length) return "more";
    length = view.getUint32(at, true);
    at += 4;
  }
  if (length === 0) return "end";
  if (at + length > buffer.length) return "more";
  const message = readMessage(view, at);
  const end = at + length + message.body;
  return end > buffer.length ? "more" : { kind: kinds[message.type] ?? "other", end };
}

/** Header type and body length of the flatbuffer `Message` at a position. */
function readMessage(view: DataView, start: number): { type: number; body: number } {
  const root = start + view.getUint32(start, true);
  const vtable = root - view.getInt32(root, true);
  const size = view.getUint16(vtable, true);
  const slot = (index: number) => {
    const at = 4 + index * 2;
    return at < size ? view.getUint16(vtable + at, true) : 0;
  };
  const typeAt = slot(1);
  const bodyAt = slot(3);
  return {
    type: typeAt ? view.getUint8(root + typeAt) : 0,
    body: bodyAt ? Number(view.getBigInt64(root + bodyAt, true)) : 0,
  };
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}
