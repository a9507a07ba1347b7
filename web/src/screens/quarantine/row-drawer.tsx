import { useGraph } from "~/api/queries";
import type { QuarantinedRow } from "~/gen/firn/v1/model_pb";
import { cli } from "~/lake/cli";
import { moment } from "~/lake/format";
import { fieldsOf } from "~/lake/payload";
import { rulesOf } from "~/lake/rules";
import { CopyButton, CopyCli } from "~/ui/copy";
import { Drawer } from "~/ui/drawer";
import { Go, TableLink } from "~/ui/go";
import { Code, Facts } from "~/ui/layout";

/** One quarantined row: the rule that left it out, where it came from, all of it. */
export function RowDrawer({ row, onClose }: { row: QuarantinedRow | undefined; onClose: () => void }) {
  return (
    <Drawer
      open={row !== undefined}
      onClose={onClose}
      title={row ? `Row ${row.rowId || "of unknown id"}` : ""}
      lead={row && `kept out of ${row.model} at ${moment(row.quarantinedAt)}`}
      actions={row && <CopyCli command={cli.quarantine(row.model, row.reasons[0])} />}
    >
      {row && <Body row={row} />}
    </Drawer>
  );
}

function Body({ row }: { row: QuarantinedRow }) {
  const graph = useGraph();
  const rules = rulesOf(graph.data?.nodes.find((node) => node.name === row.model)?.sql ?? "");
  return (
    <>
      <section>
        <h3 className="eyebrow mb-2">Why</h3>
        <ul className="space-y-2">
          {row.reasons.map((reason) => {
            const rule = rules.find((entry) => entry.name === reason);
            return (
              <li key={reason} data-reason={reason} className="rounded-lg border border-line bg-raised px-3 py-2">
                <div className="flex items-baseline gap-2">
                  <span className="font-medium text-warn">{reason}</span>
                  <Go to="/quarantine" search={{ model: row.model, rule: reason }} className="link ml-auto text-xs">
                    all rows by this rule
                  </Go>
                </div>
                {rule ? (
                  <p className="mt-1 text-ink-2">
                    The rule says <code className="text-ink">{rule.expr}</code>; for this row that is false or NULL.
                  </p>
                ) : (
                  <p className="mt-1 text-ink-2">{whyOf(reason)}</p>
                )}
              </li>
            );
          })}
        </ul>
      </section>
      <section>
        <h3 className="eyebrow mb-2">Where it comes from</h3>
        <Facts
          rows={[
            [
              "Model",
              <Go key="model" to="/medallion" search={{ node: row.model }} className="link">
                {row.model}
              </Go>,
            ],
            [
              "Run",
              row.runId ? (
                <Go key="run" to="/runs/$run" params={{ run: row.runId }} className="link break-all">
                  {row.runId}
                </Go>
              ) : (
                "–"
              ),
            ],
            ["Source", row.sourceTable ? <TableLink key="source" name={row.sourceTable} /> : "–"],
            [
              "Snapshot",
              row.sourceTable && row.sourceSnapshotId !== 0n ? (
                <TableLink
                  key="snapshot"
                  name={row.sourceTable}
                  tab="data"
                  search={{ snapshot: row.sourceSnapshotId.toString() }}
                  className="link num"
                >
                  {row.sourceSnapshotId.toString()}
                </TableLink>
              ) : (
                "–"
              ),
            ],
            ["Contributor", row.lane || "–"],
            [
              "Row",
              <code key="row" className="break-all">
                {row.rowId || "–"}
              </code>,
            ],
            ["Status", row.status || "open"],
          ]}
        />
      </section>
      <section>
        <div className="mb-1 flex items-center">
          <h3 className="eyebrow flex-1">Payload, as it was sent</h3>
          <CopyButton text={row.payload} label="Copy the payload" />
        </div>
        <Payload text={row.payload} />
      </section>
    </>
  );
}

/** Reasons that Firn gives itself: a failed cast is `column:cast`. */
function whyOf(reason: string): string {
  const cast = /^(.+):cast$/.exec(reason);
  if (cast) return `The value of ${cast[1]} cannot be read as the type that the model asks for.`;
  return "The definition of the rule is not in the model as it stands now.";
}

/** The payload as fields when it is a JSON object, else as it is. Numbers are not parsed: they would lose digits. */
function Payload({ text }: { text: string }) {
  const fields = fieldsOf(text);
  if (!fields) return <Code label="Payload">{text}</Code>;
  return (
    <div className="rounded-lg bg-sunken p-3">
      <Facts
        rows={fields.map(([key, value]) => [
          <code key="key">{key}</code>,
          value === "null" ? (
            <span key="value" className="text-ink-3 italic">
              NULL
            </span>
          ) : (
            <code key="value" className="break-all">
              {value}
            </code>
          ),
        ])}
      />
    </div>
  );
}
