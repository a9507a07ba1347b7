export type Rule = { name: string; expr: string; onFail: string };

/**
 * The rules in the head of a model's SQL, as written. It reads the flow form
 * `- { name: n, expr: "e", on_fail: f }` and the block form; what it cannot read
 * it leaves out.
 */
export function rulesOf(sql: string): Rule[] {
  const head = /\/\*---([\s\S]*?)---\*\//.exec(sql)?.[1] ?? "";
  const rules: Rule[] = [];
  for (const [, body] of head.matchAll(/-\s*\{([^\n]*)\}/g)) {
    const name = value(body ?? "", "name");
    const expr = value(body ?? "", "expr");
    if (name && expr) rules.push({ name, expr, onFail: value(body ?? "", "on_fail") });
  }
  for (const [, name, rest] of head.matchAll(/-\s+name:\s*(\S+)\n((?:\s{3,}\S.*\n?)+)/g)) {
    const expr = value(rest ?? "", "expr");
    if (name && expr) rules.push({ name, expr, onFail: value(rest ?? "", "on_fail") });
  }
  return rules;
}

function value(text: string, key: string): string {
  const match = new RegExp(`\\b${key}:\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|'((?:[^']|'')*)'|([^,}\\n]+))`).exec(text);
  if (!match) return "";
  if (match[1] !== undefined) return match[1].replace(/\\(.)/g, "$1");
  if (match[2] !== undefined) return match[2].replaceAll("''", "'");
  return (match[3] ?? "").trim();
}

/** The SELECT alone, without the YAML head. */
export function bodyOf(sql: string): string {
  return sql.replace(/\/\*---[\s\S]*?---\*\/\s*/, "").trim();
}
