import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";

/**
 * Live refresh: every screen that shows what changes asks again at an interval,
 * unless it is paused, by the button or by whatever is being read just now.
 */
type Live = { paused: boolean; setPaused: (paused: boolean) => void };

const LiveContext = createContext<Live>({ paused: false, setPaused: () => {} });

export function LiveProvider({ children }: { children: ReactNode }) {
  const [paused, setPaused] = useState(false);
  const value = useMemo(() => ({ paused, setPaused }), [paused]);
  return <LiveContext value={value}>{children}</LiveContext>;
}

export function useLive(): Live {
  return useContext(LiveContext);
}

/** Query options that ask again every `ms`, while live refresh is on. */
export function useRefresh(ms: number): { refetchInterval: number | false } {
  const { paused } = useLive();
  return { refetchInterval: paused ? false : ms };
}

/** The time of day, which moves on while live refresh is on. */
export function useNow(everyMs = 5000): number {
  const { paused } = useLive();
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (paused) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [paused, everyMs]);
  return now;
}
