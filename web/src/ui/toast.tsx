import { CircleCheck } from "lucide-react";
import { type ReactNode, useCallback, useState } from "react";
import { type Say, SayContext } from "./say";
import { Fault } from "./states";

type Note = { id: number; text?: ReactNode; error?: unknown; doing?: string };

/** What an action came to, for a moment, at the foot of the page. */
export function ToastProvider({ children }: { children: ReactNode }) {
  const [notes, setNotes] = useState<Note[]>([]);
  const add = useCallback((note: Omit<Note, "id">, ms: number) => {
    const id = Math.random();
    setNotes((old) => [...old.slice(-2), { ...note, id }]);
    setTimeout(() => setNotes((old) => old.filter((entry) => entry.id !== id)), ms);
  }, []);
  const [say] = useState<Say>(() => ({
    done: (text) => add({ text }, 5000),
    failed: (error, doing) => add({ error, doing }, 12_000),
  }));
  return (
    <SayContext value={say}>
      {children}
      <div
        aria-live="polite"
        className="fixed bottom-4 left-1/2 z-50 w-[32rem] max-w-[90vw] -translate-x-1/2 space-y-2"
      >
        {notes.map((note) =>
          note.error === undefined ? (
            <div
              key={note.id}
              className="appear card mx-auto flex w-fit items-center gap-2 border-line-strong px-3.5 py-2 font-medium"
            >
              <CircleCheck aria-hidden className="size-4 text-good" />
              {note.text}
            </div>
          ) : (
            <div key={note.id} className="appear card">
              <Fault error={note.error} doing={note.doing ?? "do that"} />
            </div>
          ),
        )}
      </div>
    </SayContext>
  );
}
