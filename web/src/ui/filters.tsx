import { Search, X } from "lucide-react";
import { type ReactNode, useEffect, useRef, useState } from "react";

/** A text filter: `/` comes here, Esc empties it and leaves. */
export function FilterField({
  value,
  onChange,
  label,
  className = "w-64",
}: {
  value: string;
  onChange: (text: string) => void;
  label: string;
  className?: string;
}) {
  const [text, setText] = useState(value);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // The address lags behind fast typing: it must not take a letter back.
    if (document.activeElement !== input.current) setText(value);
  }, [value]);
  return (
    <div className={`relative min-w-0 ${className}`}>
      <Search aria-hidden className="pointer-events-none absolute top-2 left-2.5 size-3.5 text-ink-3" />
      <input
        ref={input}
        data-filter
        type="search"
        aria-label={label}
        placeholder={label}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          onChange(event.target.value);
        }}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          setText("");
          onChange("");
          event.currentTarget.blur();
        }}
        className="field w-full pr-8 pl-8 [&::-webkit-search-cancel-button]:hidden"
      />
      <kbd aria-hidden className="absolute top-1.5 right-2 rounded border border-line px-1 text-2xs text-ink-3">
        /
      </kbd>
    </div>
  );
}

export type Facet = { value: string; label: ReactNode; count?: bigint | number | undefined; icon?: ReactNode };

/** Choices with their counts, one at a time; the chosen one again means all. */
export function Facets({
  label,
  facets,
  value,
  onChange,
  all,
}: {
  label: string;
  facets: Facet[];
  value: string;
  onChange: (value: string) => void;
  all?: Facet;
}) {
  const shown = all ? [{ ...all, value: "" }, ...facets] : facets;
  return (
    <fieldset className="flex flex-wrap items-center gap-1">
      <legend className="sr-only">{label}</legend>
      {shown.map((facet) => {
        const active = facet.value === value;
        return (
          <button
            key={facet.value}
            type="button"
            aria-pressed={active}
            onClick={() => onChange(active ? "" : facet.value)}
            className={`inline-flex h-7 items-center gap-1.5 rounded-full border px-2.5 text-xs font-medium transition-colors ${
              active
                ? "border-ice-line bg-ice-soft text-ink"
                : "border-line bg-surface text-ink-2 hover:border-line-strong hover:text-ink"
            }`}
          >
            {facet.icon}
            {facet.label}
            {facet.count !== undefined && <span className="num font-normal text-ink-3">{facet.count.toString()}</span>}
          </button>
        );
      })}
    </fieldset>
  );
}

/** A list of choices at the side, for longer lists. */
export function FacetList({
  title,
  facets,
  value,
  onChange,
}: {
  title: string;
  facets: Facet[];
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <fieldset>
      <legend className="eyebrow mb-1 flex w-full items-center px-2">{title}</legend>
      {facets.length === 0 && <p className="px-2 text-xs text-ink-3">none</p>}
      <ul>
        {facets.map((facet) => {
          const active = facet.value === value;
          return (
            <li key={facet.value}>
              <button
                type="button"
                aria-pressed={active}
                onClick={() => onChange(active ? "" : facet.value)}
                className={`flex h-7 w-full items-center gap-2 rounded-md px-2 text-left transition-colors ${
                  active ? "bg-ice-soft font-medium text-ink" : "text-ink-2 hover:bg-sunken hover:text-ink"
                }`}
              >
                {facet.icon}
                <span className="min-w-0 flex-1 truncate">{facet.label}</span>
                {active ? <X aria-hidden className="size-3 shrink-0" /> : null}
                {facet.count !== undefined && (
                  <span className="num shrink-0 text-xs text-ink-3">{facet.count.toLocaleString("en-US")}</span>
                )}
              </button>
            </li>
          );
        })}
      </ul>
    </fieldset>
  );
}

export function Select({
  label,
  value,
  onChange,
  options,
  className = "",
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  options: { value: string; label: string }[];
  className?: string;
}) {
  return (
    <select
      aria-label={label}
      value={value}
      onChange={(event) => onChange(event.target.value)}
      className={`field pr-2 pl-2 ${className}`}
    >
      {options.map((option) => (
        <option key={option.value} value={option.value}>
          {option.label}
        </option>
      ))}
    </select>
  );
}
