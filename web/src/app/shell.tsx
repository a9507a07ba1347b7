import { Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import {
  Activity,
  CalendarClock,
  ChartNoAxesGantt,
  CircleHelp,
  Database,
  Gauge,
  Moon,
  Pause,
  Play,
  Plug,
  Search,
  ShieldAlert,
  SquareTerminal,
  Sun,
  Waves,
  Workflow,
} from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { IconButton } from "~/ui/button";
import { Go } from "~/ui/go";
import { Logo } from "~/ui/logo";
import { Offline } from "~/ui/offline";
import { Waiting } from "~/ui/states";
import { useKeys } from "./keys";
import { useLive } from "./live";
import { setTheme, useTheme } from "./theme";

const Palette = lazy(() => import("./palette"));
const KeyHelp = lazy(() => import("./key-help"));

const nav = [
  { to: "/", label: "Overview", icon: Gauge },
  { to: "/tables", label: "Tables", icon: Database },
  { to: "/medallion", label: "Medallion", icon: Workflow },
  { to: "/runs", label: "Runs", icon: ChartNoAxesGantt },
  { to: "/jobs", label: "Jobs", icon: Activity },
  { to: "/schedules", label: "Schedules", icon: CalendarClock },
  { to: "/quarantine", label: "Quarantine", icon: ShieldAlert },
  { to: "/ingest", label: "Ingest", icon: Waves },
  { to: "/sql", label: "SQL", icon: SquareTerminal },
  { to: "/compatibility", label: "Compatibility", icon: Plug },
];

export function Shell() {
  const navigate = useNavigate();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const { paused, setPaused } = useLive();
  const theme = useTheme();
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  useKeys({
    go: (to) => void navigate({ to: to as never }),
    palette: () => setPalette(true),
    help: () => setHelp(true),
    pause: () => setPaused(!paused),
  });
  return (
    <div className="grid h-full grid-cols-[3.25rem_minmax(0,1fr)] lg:grid-cols-[12.5rem_minmax(0,1fr)]">
      <a href="#screen" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-surface focus:p-2">
        Skip to the screen
      </a>
      <nav aria-label="Main" className="flex flex-col border-r border-line bg-surface px-2 py-3">
        <Go to="/" className="mb-3 flex items-center gap-2.5 px-2 py-1 text-base font-semibold tracking-tight text-ink">
          <Logo />
          <span className="sr-only lg:not-sr-only">Firn</span>
        </Go>
        <button
          type="button"
          onClick={() => setPalette(true)}
          className="mb-3 flex h-[1.875rem] items-center gap-2 rounded-md border border-line bg-raised px-2.5 text-ink-3 transition-colors hover:border-line-strong hover:text-ink-2"
        >
          <Search aria-hidden className="size-3.5 shrink-0" />
          <span className="sr-only lg:not-sr-only">Go to…</span>
          <kbd aria-hidden className="ml-auto hidden text-2xs lg:inline">
            Ctrl K
          </kbd>
        </button>
        <ul className="space-y-0.5">
          {nav.map(({ to, label, icon: Icon }) => {
            const active = to === "/" ? path === "/" : path.startsWith(to);
            return (
              <li key={to}>
                <Go
                  to={to}
                  title={label}
                  {...(active ? { "aria-current": "page" as const } : {})}
                  className={`flex h-8 items-center gap-2.5 rounded-md px-2.5 font-medium transition-colors ${
                    active ? "bg-ice-soft text-ink" : "text-ink-2 hover:bg-sunken hover:text-ink"
                  }`}
                >
                  <Icon aria-hidden className={`size-4 shrink-0 ${active ? "text-ice" : "text-ink-3"}`} />
                  <span className="sr-only lg:not-sr-only">{label}</span>
                </Go>
              </li>
            );
          })}
        </ul>
        <div className="mt-auto flex flex-col items-center gap-1 border-t border-line pt-2 lg:flex-row">
          <button
            type="button"
            aria-pressed={paused}
            title={paused ? "Go on refreshing (p)" : "Pause the refresh (p)"}
            onClick={() => setPaused(!paused)}
            className="flex h-7 flex-1 items-center gap-2 rounded-md px-2 text-xs font-medium text-ink-2 hover:bg-sunken hover:text-ink"
          >
            {paused ? (
              <Play aria-hidden className="size-3.5 text-warn" />
            ) : (
              <Pause aria-hidden className="size-3.5 text-good" />
            )}
            <span className="sr-only lg:not-sr-only">{paused ? "Paused" : "Live"}</span>
          </button>
          <IconButton
            label={theme === "dark" ? "Light theme" : "Dark theme"}
            onClick={() => setTheme(theme === "dark" ? "light" : "dark")}
          >
            {theme === "dark" ? <Sun className="size-4" aria-hidden /> : <Moon className="size-4" aria-hidden />}
          </IconButton>
          <IconButton label="Keys (?)" onClick={() => setHelp(true)}>
            <CircleHelp className="size-4" aria-hidden />
          </IconButton>
        </div>
      </nav>
      <main id="screen" className="flex min-h-0 min-w-0 flex-col overflow-y-auto">
        <Offline />
        <Suspense fallback={<Waiting rows={10} />}>
          <Outlet />
        </Suspense>
      </main>
      {palette && (
        <Suspense fallback={null}>
          <Palette onClose={() => setPalette(false)} />
        </Suspense>
      )}
      {help && (
        <Suspense fallback={null}>
          <KeyHelp onClose={() => setHelp(false)} />
        </Suspense>
      )}
    </div>
  );
}
