/**
 * The top-level fields of a JSON object with their values as they were sent:
 * a number is not parsed, for it would lose digits. Undefined when the text is
 * no object.
 */
export function fieldsOf(text: string): [string, string][] | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    if (parsed === null || typeof parsed !== "object" || Array.isArray(parsed)) return undefined;
  } catch {
    return undefined;
  }
  // From here on the text is known to be an object, well formed.
  return members(text.trim().slice(1, -1)).map((member) => {
    const colon = endOfString(member, 0);
    return [JSON.parse(member.slice(0, colon)) as string, member.slice(member.indexOf(":", colon) + 1).trim()];
  });
}

/** The text between the braces, cut at the commas of its own level. */
function members(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === '"') at = endOfString(text, at) - 1;
    else if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]") depth--;
    else if (char === "," && depth === 0) {
      parts.push(text.slice(from, at).trim());
      from = at + 1;
    }
  }
  const last = text.slice(from).trim();
  return last ? [...parts, last] : parts;
}

/** The position behind the string that starts at a position. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}
