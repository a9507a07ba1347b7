import { CircleX, RotateCw, Snowflake } from "lucide-react";
import type { ReactNode } from "react";
import { explain } from "~/api/explain";
import { Button } from "./button";
import { CopyButton, fromHere } from "./copy";

/** A fault: what, why, what to do. */
export function Fault({ error, doing, retry }: { error: unknown; doing: string; retry?: (() => void) | undefined }) {
  const { what, why, help, code } = explain(error, doing);
  return (
    <div role="alert" className="flex gap-3 rounded-lg border border-bad/30 bg-bad-soft/60 p-3.5">
      <CircleX aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
      <div className="min-w-0 flex-1 space-y-0.5">
        <p className="font-medium text-ink">
          {what} <span className="font-normal text-ink-2">({code})</span>
        </p>
        <p className="whitespace-pre-wrap break-words text-ink-2">{why}</p>
        <p className="text-ink-2">{help}</p>
      </div>
      {retry && (
        <Button icon={<RotateCw className="size-3.5" aria-hidden />} onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

/** Nothing here yet, and what to do about it. */
export function Empty({
  title,
  children,
  command,
  small = false,
  heading = false,
}: {
  title: string;
  children?: ReactNode;
  command?: string;
  small?: boolean;
  /** It is the whole screen. */
  heading?: boolean;
}) {
  const Title = heading ? "h1" : "p";
  return (
    <div className={`flex flex-col items-center justify-center gap-2 px-6 text-center ${small ? "py-8" : "py-16"}`}>
      <Snowflake aria-hidden className="size-6 text-ice-line" />
      <Title className="text-sm font-medium text-ink">{title}</Title>
      {children && <div className="max-w-md text-ink-2">{children}</div>}
      {command && (
        <div className="mt-2 flex max-w-3xl items-center gap-1 rounded-lg border border-line bg-raised py-1 pr-1 pl-3">
          <code className="min-w-0 text-left break-words whitespace-pre-wrap text-ink">{fromHere(command)}</code>
          <CopyButton text={fromHere(command)} label={`Copy: ${command}`} />
        </div>
      )}
    </div>
  );
}

/** Room held for what is on its way, so that nothing jumps. */
export function Waiting({ rows = 6 }: { rows?: number }) {
  return (
    <div role="status" aria-label="Loading" className="space-y-2 p-4">
      {Array.from({ length: rows }, (_, row) => (
        <div
          // biome-ignore lint/suspicious/noArrayIndexKey: the rows are all alike
          key={row}
          className="h-4 animate-pulse rounded bg-sunken"
          style={{ width: `${92 - ((row * 17) % 40)}%` }}
        />
      ))}
    </div>
  );
}

/** What is known of a query. */
export type Query<T> = { data: T | undefined; error: unknown; isPending: boolean; refetch: () => unknown };

/** One of the three, or the content. What was read stays when a later reading fails; the shell says that it is old. */
export function Loaded<T>({
  query,
  doing,
  rows,
  children,
}: {
  query: Query<T>;
  doing: string;
  rows?: number;
  children: (data: T) => ReactNode;
}) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error) return <Fault error={query.error} doing={doing} retry={() => void query.refetch()} />;
  return <Waiting rows={rows ?? 6} />;
}
