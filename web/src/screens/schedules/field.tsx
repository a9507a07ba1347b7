import { type ReactNode, useId } from "react";

/** What an input needs to belong to its label, its explanation and its fault. */
export type Control = { id: string; "aria-describedby": string; "aria-invalid": boolean };

/** A labelled input with a line below it: what it is for, or what is wrong with it. */
export function Field({
  label,
  why,
  fault,
  className = "",
  children,
}: {
  label: string;
  why?: ReactNode;
  fault?: string | undefined;
  className?: string;
  children: (control: Control) => ReactNode;
}) {
  const id = useId();
  return (
    <div className={`min-w-0 ${className}`}>
      <label htmlFor={id} className="mb-1 block text-xs font-medium text-ink">
        {label}
      </label>
      {children({ id, "aria-describedby": `${id}-why`, "aria-invalid": Boolean(fault) })}
      <p
        id={`${id}-why`}
        aria-live="polite"
        className={`mt-1 text-xs break-words ${fault ? "text-bad" : "text-ink-2"}`}
      >
        {fault || why}
      </p>
    </div>
  );
}

/** A choice, with what the chosen one comes to below it. */
export function ChoiceField<V extends string | number>({
  label,
  value,
  onChange,
  choices,
  fault,
  why,
  className = "",
}: {
  label: string;
  value: V;
  onChange: (value: V) => void;
  choices: readonly { value: V; label: string; why?: string }[];
  fault?: string | undefined;
  why?: string;
  className?: string;
}) {
  const chosen = choices.findIndex((choice) => choice.value === value);
  return (
    <Field label={label} why={why ?? choices[chosen]?.why} fault={fault} className={className}>
      {(control) => (
        <select
          {...control}
          value={chosen}
          onChange={(event) => {
            const choice = choices[Number(event.target.value)];
            if (choice) onChange(choice.value);
          }}
          className="field w-full pr-2 pl-2"
        >
          {chosen < 0 && <option value={-1}>choose</option>}
          {choices.map((choice, index) => (
            <option key={String(choice.value)} value={index}>
              {choice.label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

/** A text, with what may be meant. Of many suggestions those that fit are offered. */
export function TextField({
  label,
  value,
  onChange,
  suggestions = [],
  mono = false,
  placeholder,
  fault,
  why,
  className = "",
  readOnly = false,
}: {
  label: string;
  value: string;
  onChange: (value: string) => void;
  suggestions?: readonly string[];
  mono?: boolean;
  placeholder?: string;
  fault?: string | undefined;
  why?: ReactNode;
  className?: string;
  readOnly?: boolean;
}) {
  const list = useId();
  const fits = suggestions.filter((entry) => entry.toLowerCase().includes(value.trim().toLowerCase())).slice(0, 100);
  return (
    <Field label={label} why={why} fault={fault} className={className}>
      {(control) => (
        <>
          <input
            {...control}
            readOnly={readOnly}
            type="text"
            value={value}
            placeholder={placeholder}
            autoComplete="off"
            spellCheck={false}
            {...(suggestions.length > 0 ? { list } : {})}
            onChange={(event) => onChange(event.target.value)}
            className={`field w-full ${mono ? "font-mono text-xs" : ""} ${readOnly ? "bg-sunken! text-ink-2!" : ""} ${fault ? "border-bad!" : ""}`}
          />
          {suggestions.length > 0 && (
            <datalist id={list}>
              {fits.map((entry) => (
                <option key={entry} value={entry} />
              ))}
            </datalist>
          )}
        </>
      )}
    </Field>
  );
}
