import { Tooltip } from "radix-ui";
import type { ReactNode } from "react";

/**
 * Every number has a why. The dotted line says that there is one; it opens on
 * hover and on focus.
 */
export function Why({
  text,
  children,
  plain = false,
  focusable = true,
}: {
  text: ReactNode;
  children: ReactNode;
  /** Without the dotted line. */
  plain?: boolean;
  /** False where a table would make hundreds of tab stops. */
  focusable?: boolean;
}) {
  const look = plain ? "" : "underline decoration-line-strong decoration-dotted decoration-1 underline-offset-4";
  return (
    <Tooltip.Root>
      <Tooltip.Trigger asChild>
        {focusable ? (
          <button
            type="button"
            className={`cursor-help text-left [letter-spacing:inherit] [text-transform:inherit] ${look}`}
          >
            {children}
          </button>
        ) : (
          <span className={look}>{children}</span>
        )}
      </Tooltip.Trigger>
      <Tooltip.Portal>
        <Tooltip.Content
          sideOffset={6}
          collisionPadding={12}
          className="appear z-50 max-w-80 rounded-lg border border-line-strong bg-surface px-3 py-2 text-xs text-ink-2 shadow-card"
        >
          {text}
        </Tooltip.Content>
      </Tooltip.Portal>
    </Tooltip.Root>
  );
}
