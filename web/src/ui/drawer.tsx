import { X } from "lucide-react";
import { Dialog } from "radix-ui";
import type { ReactNode } from "react";
import { IconButton } from "./button";

/** A panel at the right, over the list it belongs to. Esc closes it. */
export function Drawer({
  open,
  onClose,
  title,
  lead,
  actions,
  children,
}: {
  open: boolean;
  onClose: () => void;
  title: ReactNode;
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  return (
    <Dialog.Root open={open} onOpenChange={(next) => !next && onClose()} modal={false}>
      <Dialog.Portal>
        <Dialog.Content
          aria-describedby={undefined}
          onOpenAutoFocus={focusPanel}
          onInteractOutside={(event) => event.preventDefault()}
          className="slide-in fixed top-3 right-3 bottom-3 z-30 flex w-[34rem] max-w-[calc(100vw-1.5rem)] flex-col overflow-hidden rounded-xl border border-line-strong bg-surface shadow-card outline-none"
        >
          <div className="flex items-start gap-3 border-b border-line px-5 py-3.5">
            <div className="min-w-0 flex-1">
              <Dialog.Title className="text-base leading-6 font-semibold break-words text-ink">{title}</Dialog.Title>
              {lead && <div className="mt-0.5 text-ink-2">{lead}</div>}
            </div>
            <Dialog.Close asChild>
              <IconButton label="Close (Esc)">
                <X className="size-4" aria-hidden />
              </IconButton>
            </Dialog.Close>
          </div>
          <section
            aria-label="Details"
            tabIndex={0}
            className="min-h-0 flex-1 space-y-5 overflow-y-auto px-5 py-4 outline-offset-[-2px]"
          >
            {children}
          </section>
          {actions && (
            <div className="flex flex-wrap items-center gap-1.5 border-t border-line bg-raised px-5 py-3">
              {actions}
            </div>
          )}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

/** A dialog in the middle, for what wants a decision. */
export function Modal({
  open,
  onClose,
  title,
  children,
  actions,
  wide = false,
  large = false,
}: {
  open: boolean;
  onClose: () => void;
  title: ReactNode;
  children: ReactNode;
  actions?: ReactNode;
  wide?: boolean;
  /** For a form: more room, nearer to the top. */
  large?: boolean;
}) {
  return (
    <Dialog.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-black/35 backdrop-blur-[1px]" />
        <Dialog.Content
          aria-describedby={undefined}
          onOpenAutoFocus={focusPanel}
          className={`appear fixed left-1/2 z-50 flex w-[calc(100vw-1.5rem)] -translate-x-1/2 flex-col overflow-hidden rounded-xl border border-line-strong bg-surface shadow-card outline-none ${large ? "top-[6vh] max-h-[88vh] max-w-3xl" : `top-[14vh] max-h-[72vh] ${wide ? "max-w-2xl" : "max-w-lg"}`}`}
        >
          <Dialog.Title className="border-b border-line px-5 py-3.5 text-base font-semibold text-ink">
            {title}
          </Dialog.Title>
          <div className="min-h-0 flex-1 space-y-4 overflow-y-auto px-5 py-4">{children}</div>
          {actions && (
            <div className="flex items-center justify-end gap-1.5 border-t border-line bg-raised px-5 py-3">
              {actions}
            </div>
          )}
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

/** The panel takes the focus, not its first button: that would open the button's tooltip. */
function focusPanel(event: Event): void {
  event.preventDefault();
  (event.currentTarget as HTMLElement | null)?.focus();
}
