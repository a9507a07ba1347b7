import type { ReactNode } from "react";
import { Why } from "./why";

/** The head of a screen: its name, what it says, its actions. */
export function ScreenHead({
  title,
  lead,
  actions,
  above,
}: {
  title: ReactNode;
  lead?: ReactNode;
  actions?: ReactNode;
  above?: ReactNode;
}) {
  return (
    <header className="flex flex-wrap items-end gap-x-4 gap-y-2 px-6 pt-5 pb-4">
      <div className="min-w-0 grow basis-72">
        {above && <div className="mb-1 text-xs text-ink-3">{above}</div>}
        <h1 className="flex flex-wrap items-center gap-2.5 text-lg leading-7 font-semibold tracking-tight text-ink">
          {title}
        </h1>
        {lead && <p className="mt-0.5 text-ink-2">{lead}</p>}
      </div>
      {actions && <div className="flex flex-wrap items-center gap-1.5">{actions}</div>}
    </header>
  );
}

export function Card({
  title,
  aside,
  children,
  className = "",
  flush = false,
}: {
  title?: ReactNode;
  aside?: ReactNode;
  children: ReactNode;
  className?: string;
  /** The content goes to the edges. */
  flush?: boolean;
}) {
  return (
    <section className={`card flex min-w-0 flex-col ${className}`}>
      {(title || aside) && (
        <div className="flex min-h-10 flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-4 py-1.5">
          {title && <h2 className="flex-1 text-sm font-semibold text-ink">{title}</h2>}
          {aside}
        </div>
      )}
      <div className={`min-h-0 flex-1 ${flush ? "" : "p-4"}`}>{children}</div>
    </section>
  );
}

/** Figures side by side, as many as there is room for. */
export function Figures({ children }: { children: ReactNode }) {
  return (
    <div className="card grid shrink-0 grid-cols-[repeat(auto-fit,minmax(6.5rem,1fr))] gap-x-6 gap-y-4 px-5 py-4">
      {children}
    </div>
  );
}

/** A figure with its name above and what qualifies it below. */
export function Figure({
  label,
  value,
  note,
  why,
}: {
  label: ReactNode;
  value: ReactNode;
  note?: ReactNode;
  /** How the figure comes about; the dotted line under its name says that there is one. */
  why?: ReactNode;
}) {
  return (
    <div className="min-w-0">
      <div className="eyebrow">{why ? <Why text={why}>{label}</Why> : label}</div>
      <div className="num mt-1 text-xl leading-7 font-semibold tracking-tight text-ink">{value}</div>
      {note && <div className="mt-0.5 text-xs text-ink-3">{note}</div>}
    </div>
  );
}

/** Name and value, one a line. */
export function Facts({ rows }: { rows: [ReactNode, ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[minmax(7rem,auto)_minmax(0,1fr)] gap-x-4 gap-y-1.5">
      {rows.map(([name, value], index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the rows stand in a fixed order
        <div key={index} className="contents">
          <dt className="text-ink-3">{name}</dt>
          <dd className="min-w-0 break-words text-ink">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A share as a bar; undefined runs without an end. */
export function Bar({ share, label, tone = "bg-ice" }: { share: number | undefined; label: string; tone?: string }) {
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(share === undefined ? {} : { "aria-valuenow": Math.round(share * 100) })}
      className="relative h-1.5 w-full overflow-hidden rounded-full bg-sunken"
    >
      {share === undefined ? (
        <div className={`melt absolute inset-y-0 w-1/3 rounded-full ${tone}`} />
      ) : (
        <div
          className={`h-full rounded-full ${tone} transition-[width] duration-500`}
          style={{ width: `${share * 100}%` }}
        />
      )}
    </div>
  );
}

export function Code({ children, label }: { children: string; label?: string }) {
  return (
    <pre
      role="region"
      tabIndex={0}
      aria-label={label ?? "Code"}
      className="overflow-auto rounded-lg bg-sunken p-3 text-xs leading-5 text-ink"
    >
      <code>{children}</code>
    </pre>
  );
}
