import { Check, Copy, SquareTerminal } from "lucide-react";
import { Tooltip } from "radix-ui";
import { useState } from "react";
import { atServer } from "~/lake/cli";
import { useToast } from "./say";

/** Puts a text on the clipboard, also where the browser's own way is closed (plain HTTP off loopback). */
async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return;
    } catch {
      // Refused: the way below needs no permission.
    }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.setAttribute("readonly", "");
  area.className = "fixed -left-[999px] top-0";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser keeps the clipboard closed: select the text and copy it by hand");
}

function useCopied(): [boolean, (text: string) => void] {
  const [copied, setCopied] = useState(false);
  const toast = useToast();
  const copy = (text: string) => {
    copyText(text).then(
      () => {
        setCopied(true);
        setTimeout(() => setCopied(false), 1400);
      },
      (error) => toast.failed(error, "copy that"),
    );
  };
  return [copied, copy];
}

/** The command as it is copied from this page. */
export function fromHere(command: string): string {
  return atServer(command, location.origin);
}

/** Copies the command line that shows or does the same. */
export function CopyCli({
  command,
  compact = false,
  label = "CLI",
}: {
  command: string;
  compact?: boolean;
  label?: string;
}) {
  const [copied, copy] = useCopied();
  const text = fromHere(command);
  return (
    <Tooltip.Root>
      <Tooltip.Trigger asChild>
        <button
          type="button"
          aria-label={`Copy as CLI: ${command}`}
          data-cli={text}
          onClick={(event) => {
            event.stopPropagation();
            copy(text);
          }}
          className={`inline-flex h-[1.875rem] shrink-0 items-center gap-1.5 rounded-md text-xs text-ink-3 transition-colors hover:bg-sunken hover:text-ink ${compact ? "px-1.5" : "px-2"}`}
        >
          {copied ? (
            <Check className="size-3.5 text-good" aria-hidden />
          ) : (
            <SquareTerminal className="size-3.5" aria-hidden />
          )}
          {!compact && <span>{copied ? "Copied" : label}</span>}
        </button>
      </Tooltip.Trigger>
      <Tooltip.Portal>
        <Tooltip.Content
          sideOffset={6}
          collisionPadding={12}
          className="appear z-50 max-w-[36rem] rounded-lg border border-line-strong bg-surface px-3 py-2 text-xs text-ink-2 shadow-card"
        >
          <span className="mr-2 text-ink-3">copy as CLI</span>
          <code className="break-all text-ink">{text}</code>
        </Tooltip.Content>
      </Tooltip.Portal>
    </Tooltip.Root>
  );
}

export function CopyButton({ text, label, icon = false }: { text: string; label: string; icon?: boolean }) {
  const [copied, copy] = useCopied();
  return (
    <button
      type="button"
      aria-label={label}
      title={icon ? label : undefined}
      onClick={() => copy(text)}
      className="inline-flex h-7 items-center gap-1.5 rounded-md px-2 align-middle text-xs text-ink-2 transition-colors hover:bg-sunken hover:text-ink"
    >
      {copied ? <Check className="size-3.5 text-good" aria-hidden /> : <Copy className="size-3.5" aria-hidden />}
      {!icon && (copied ? "Copied" : "Copy")}
    </button>
  );
}
