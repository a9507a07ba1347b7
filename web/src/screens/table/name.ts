import { useParams } from "@tanstack/react-router";

/** The name of the table that the screen shows, from the path. */
export function useTableName(): string {
  const { table = "" } = useParams({ strict: false }) as { table?: string };
  return table;
}
