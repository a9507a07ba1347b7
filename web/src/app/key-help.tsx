import { Modal } from "~/ui/drawer";
import { places } from "./keys";

/** The keys of the page. */
export default function KeyHelp({ onClose }: { onClose: () => void }) {
  const rows: [string, string][] = [
    ["/", "Filter this screen"],
    ["Ctrl K", "Go to a table or a screen"],
    ...places.map((place): [string, string] => [`g ${place.key}`, place.label]),
    ["j  k", "Next and previous row"],
    ["Enter", "Open the row"],
    ["Esc", "Close the panel, empty the filter"],
    ["p", "Pause and resume the refresh"],
    ["Ctrl Enter", "Run the query"],
    ["?", "This list"],
  ];
  return (
    <Modal open onClose={onClose} title="Keys">
      <dl className="grid grid-cols-[7rem_1fr] gap-y-2">
        {rows.map(([key, text]) => (
          <div key={key} className="contents">
            <dt>
              <kbd className="rounded border border-line-strong bg-raised px-1.5 py-0.5 text-xs">{key}</kbd>
            </dt>
            <dd className="text-ink-2">{text}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
