/** The rows whose text holds every word of a filter, in any case and order. */
export function matching<T>(rows: readonly T[], filter: string, textOf: (row: T) => string): readonly T[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  return rows.filter((row) => {
    const text = textOf(row).toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
