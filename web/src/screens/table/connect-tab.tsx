import { useQuery } from "@connectrpc/connect-query";
import { useFilters } from "~/app/search";
import { CatalogService } from "~/gen/firn/v1/catalog_pb";
import { cli } from "~/lake/cli";
import { parseTable } from "~/lake/name";
import { CopyButton, CopyCli } from "~/ui/copy";
import { Facets } from "~/ui/filters";
import { Go } from "~/ui/go";
import { Card, Code } from "~/ui/layout";
import { Loaded } from "~/ui/states";
import { useTableName } from "./name";

const engines = [
  { value: "pyiceberg", label: "PyIceberg" },
  { value: "spark", label: "Spark" },
  { value: "trino", label: "Trino" },
  { value: "duckdb", label: "DuckDB" },
  { value: "polars", label: "Polars" },
];

/** What an engine needs to read this table: a program that works unedited. */
export default function ConnectTab() {
  const name = useTableName();
  const [filters, setFilters] = useFilters();
  const engine = engines.some((entry) => entry.value === filters.engine) ? filters.engine! : "pyiceberg";
  const query = useQuery(CatalogService.method.getConnect, { table: parseTable(name), engine });
  return (
    <div className="max-w-4xl space-y-3">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <Facets
          label="Engine"
          facets={engines}
          value={engine}
          onChange={(value) => value && setFilters({ engine: value })}
        />
        <Go to="/compatibility" search={{ engine }} className="link text-xs">
          What {engines.find((entry) => entry.value === engine)?.label} can do here
        </Go>
      </div>
      <Loaded query={query} doing={`write the snippet for ${engine}`} rows={8}>
        {(data) => (
          <Card
            title={`Read ${name} with ${engines.find((entry) => entry.value === engine)?.label}`}
            aside={
              <>
                <span className="text-xs text-ink-3">{data.language}</span>
                <CopyButton text={data.text} label="Copy the snippet" />
                <CopyCli command={cli.connect(name, engine)} />
              </>
            }
          >
            <Code label="Snippet">{data.text}</Code>
            <p className="mt-3 text-xs text-ink-3">
              {/127\.0\.0\.1|localhost/.test(data.text)
                ? "It works unedited on this machine. From another one, replace the loopback addresses by the service's."
                : "It works unedited wherever these addresses are reached."}
            </p>
          </Card>
        )}
      </Loaded>
    </div>
  );
}
