import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  type NotFoundRouteComponent,
} from "@tanstack/react-router";
import { Go } from "~/ui/go";
import { Empty, Fault } from "~/ui/states";
import { parseSearch, type Search, stringifySearch } from "./search";
import { Shell } from "./shell";

const NotFound: NotFoundRouteComponent = () => (
  <Empty title="There is no such screen.">
    <p>
      The address may be of another version of the page.{" "}
      <Go to="/" className="link">
        Go to the overview
      </Go>
      .
    </p>
  </Empty>
);

const root = createRootRoute({
  component: Shell,
  notFoundComponent: NotFound,
  errorComponent: ({ error, reset }) => (
    <div className="p-6">
      <Fault error={error} doing="show this screen" retry={reset} />
    </div>
  ),
});

const validateSearch = (search: Record<string, unknown>) => search as Search;

function screen<const Path extends string>(path: Path, load: () => Promise<{ default: React.ComponentType }>) {
  return createRoute({
    getParentRoute: () => root,
    path,
    validateSearch,
    component: lazyRouteComponent(load),
  });
}

const tree = root.addChildren([
  screen("/", () => import("~/screens/overview/overview")),
  screen("/tables", () => import("~/screens/tables/tables")),
  screen("/tables/$table", () => import("~/screens/table/table")),
  screen("/medallion", () => import("~/screens/medallion/medallion")),
  screen("/runs", () => import("~/screens/run/runs")),
  screen("/runs/$run", () => import("~/screens/run/run")),
  screen("/jobs", () => import("~/screens/jobs/jobs")),
  screen("/quarantine", () => import("~/screens/quarantine/quarantine")),
  screen("/ingest", () => import("~/screens/ingest/ingest")),
  screen("/sql", () => import("~/screens/sql/sql")),
]);

export const router = createRouter({
  routeTree: tree,
  defaultPreload: "intent",
  scrollRestoration: true,
  parseSearch,
  stringifySearch,
});
