import { createContext, type ReactNode, useContext } from "react";

/** What an action came to: done, or failed at something. */
export type Say = { done: (text: ReactNode) => void; failed: (error: unknown, doing: string) => void };

export const SayContext = createContext<Say>({ done: () => {}, failed: () => {} });

export function useToast(): Say {
  return useContext(SayContext);
}
