import type { ComponentProps, ReactNode } from "react";

type Kind = "plain" | "primary" | "quiet" | "danger";

const kinds: Record<Kind, string> = {
  plain: "border border-line-strong bg-surface text-ink hover:bg-raised hover:border-ink-3",
  primary: "border border-transparent bg-ice text-on-ice hover:bg-ice-strong",
  quiet: "border border-transparent text-ink-2 hover:bg-sunken hover:text-ink",
  danger: "border border-bad/40 bg-surface text-bad hover:bg-bad-soft",
};

export function Button({
  kind = "plain",
  icon,
  children,
  className = "",
  ...rest
}: { kind?: Kind; icon?: ReactNode; children?: ReactNode } & ComponentProps<"button">) {
  return (
    <button
      type="button"
      className={`inline-flex h-[1.875rem] shrink-0 items-center justify-center gap-1.5 rounded-md px-2.5 text-sm font-medium transition-colors disabled:opacity-50 ${kinds[kind]} ${className}`}
      {...rest}
    >
      {icon}
      {children}
    </button>
  );
}

export function IconButton({ label, className = "", children, ...rest }: { label: string } & ComponentProps<"button">) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      className={`inline-flex size-7 shrink-0 items-center justify-center rounded-md text-ink-3 transition-colors hover:bg-sunken hover:text-ink ${className}`}
      {...rest}
    >
      {children}
    </button>
  );
}
