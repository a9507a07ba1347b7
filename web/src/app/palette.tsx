import { useQuery } from "@connectrpc/connect-query";
import { useNavigate } from "@tanstack/react-router";
import { CornerDownLeft } from "lucide-react";
import { Dialog } from "radix-ui";
import { useMemo, useState } from "react";
import { CatalogService } from "~/gen/firn/v1/catalog_pb";
import { layerOf, tableName } from "~/lake/name";
import { LayerTag } from "~/ui/status";
import { places } from "./keys";

type Entry = { key: string; label: string; note: string; go: () => void; table?: string };

/** Go to a screen or a table by a part of its name. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const [active, setActive] = useState(0);
  const tables = useQuery(CatalogService.method.listTables, {});
  const entries = useMemo(() => {
    const all: Entry[] = [
      ...places.map((place) => ({
        key: place.to,
        label: place.label,
        note: `g ${place.key}`,
        go: () => void navigate({ to: place.to as never }),
      })),
      ...(tables.data?.tables ?? []).map((summary) => {
        const name = tableName(summary.table);
        return {
          key: name,
          label: name,
          note: "table",
          table: name,
          go: () => void navigate({ to: "/tables/$table" as never, params: { table: name } as never }),
        };
      }),
    ];
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return all.filter((entry) => words.every((word) => entry.label.toLowerCase().includes(word))).slice(0, 40);
  }, [tables.data, text, navigate]);
  const choose = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    entry.go();
  };
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-40 bg-black/35 backdrop-blur-[1px]" />
        <Dialog.Content
          aria-describedby={undefined}
          className="appear fixed top-[16vh] left-1/2 z-50 flex max-h-[60vh] w-[calc(100vw-1.5rem)] max-w-xl -translate-x-1/2 flex-col overflow-hidden rounded-xl border border-line-strong bg-surface shadow-card outline-none"
        >
          <Dialog.Title className="sr-only">Go to</Dialog.Title>
          <input
            // biome-ignore lint/a11y/noAutofocus: the dialog is this field
            autoFocus
            role="combobox"
            aria-expanded
            aria-controls="palette-list"
            aria-activedescendant={entries[active] ? `palette-${active}` : undefined}
            aria-label="Go to a table or a screen"
            placeholder="Go to a table or a screen…"
            value={text}
            onChange={(event) => {
              setText(event.target.value);
              setActive(0);
            }}
            onKeyDown={(event) => {
              if (event.key === "ArrowDown") setActive((at) => Math.min(at + 1, entries.length - 1));
              else if (event.key === "ArrowUp") setActive((at) => Math.max(at - 1, 0));
              else if (event.key === "Enter") choose(entries[active]);
              else return;
              event.preventDefault();
            }}
            className="h-12 border-b border-line bg-transparent px-4 text-sm text-ink outline-none placeholder:text-ink-3"
          />
          <div id="palette-list" role="listbox" aria-label="Places" className="min-h-0 overflow-y-auto p-1.5">
            {entries.map((entry, index) => (
              <div
                key={entry.key}
                id={`palette-${index}`}
                role="option"
                tabIndex={-1}
                aria-selected={index === active}
                ref={(element) => {
                  if (index === active) element?.scrollIntoView({ block: "nearest" });
                }}
                onPointerMove={() => setActive(index)}
                onClick={() => choose(entry)}
                onKeyDown={() => {}}
                className={`flex h-9 cursor-pointer items-center gap-2.5 rounded-md px-2.5 ${index === active ? "bg-ice-soft" : ""}`}
              >
                {entry.table && <LayerTag layer={layerOf(entry.table)} />}
                <span className="min-w-0 flex-1 truncate text-ink">{entry.label}</span>
                <span className="text-xs text-ink-3">{entry.note}</span>
                {index === active && <CornerDownLeft aria-hidden className="size-3.5 text-ink-3" />}
              </div>
            ))}
            {entries.length === 0 && (
              <p className="p-4 text-center text-ink-2">No table and no screen has that in its name.</p>
            )}
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
