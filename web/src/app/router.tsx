import { Code, ConnectError } from "@connectrpc/connect";
import {
  createRootRoute,
  createRoute,
  createRouter,
  type ErrorRouteComponent,
  lazyRouteComponent,
  type NotFoundRouteComponent,
  useRouter,
} from "@tanstack/react-router";
import { useCallback, useEffect } from "react";
import { unreachable } from "~/api/explain";
import { Go } from "~/ui/go";
import { Empty, Fault } from "~/ui/states";
import { parseSearch, type Search, stringifySearch } from "./search";
import { Shell } from "./shell";

const NotFound: NotFoundRouteComponent = () => (
  <Empty heading title="There is no such screen.">
    <p>
      The address may be of another version of the page.{" "}
      <Go to="/" className="link">
        Go to the overview
      </Go>
      .
    </p>
  </Empty>
);

const ScreenFault: ErrorRouteComponent = ({ error, reset }) => {
  const router = useRouter();
  const retry = useCallback(() => {
    reset();
    void router.invalidate();
  }, [reset, router]);
  useEffect(() => {
    if (!unreachable(error)) return;
    const timer = setTimeout(retry, 3000);
    return () => clearTimeout(timer);
  }, [error, retry]);
  return (
    <div className="p-6">
      <Fault error={error} doing="show this screen" retry={retry} />
    </div>
  );
};

const root = createRootRoute({
  component: Shell,
  notFoundComponent: NotFound,
});

const validateSearch = (search: Record<string, unknown>) => search as Search;

/**
 * A screen that cannot be loaded is of an older build, which a reload mends, or
 * the service is silent: then a reload would take away what is still shown.
 */
function orSay(load: () => Promise<{ default: React.ComponentType }>) {
  return () =>
    load().catch(async (error: unknown) => {
      const answers = await fetch("/livez").then(
        (answer) => answer.ok,
        () => false,
      );
      throw answers ? error : new ConnectError("the screen's code could not be fetched", Code.Unavailable);
    });
}

function screen<const Path extends string>(path: Path, load: () => Promise<{ default: React.ComponentType }>) {
  return createRoute({
    getParentRoute: () => root,
    path,
    validateSearch,
    component: lazyRouteComponent(orSay(load)),
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
  screen("/schedules", () => import("~/screens/schedules/schedules")),
  screen("/quarantine", () => import("~/screens/quarantine/quarantine")),
  screen("/ingest", () => import("~/screens/ingest/ingest")),
  screen("/sql", () => import("~/screens/sql/sql")),
  screen("/compatibility", () => import("~/screens/compatibility/compatibility")),
]);

export const router = createRouter({
  routeTree: tree,
  defaultPreload: "intent",
  // Inside the shell, so that the way to other screens stays.
  defaultErrorComponent: ScreenFault,
  scrollRestoration: true,
  parseSearch,
  stringifySearch,
});
