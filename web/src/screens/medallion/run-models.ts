import { createClient } from "@connectrpc/connect";
import { createConnectQueryKey } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { transport } from "~/api/transport";
import { CatalogService } from "~/gen/firn/v1/catalog_pb";
import { ModelService, RunState } from "~/gen/firn/v1/model_pb";
import { count } from "~/lake/format";
import { useToast } from "~/ui/say";

/**
 * Runs models, and what is upstream of them, and says how it goes on. `running`
 * is the model that was asked for, or the empty string for all.
 */
export function useRunModels(): { running: string | undefined; progress: string; run: (model?: string) => void } {
  const [running, setRunning] = useState<string>();
  const [progress, setProgress] = useState("");
  const toast = useToast();
  const client = useQueryClient();
  const run = useCallback(
    (model = "") => {
      setRunning(model);
      setProgress("Starting…");
      const go = async () => {
        const service = createClient(ModelService, transport);
        let rows = 0n;
        let failed = "";
        const seen = new Set<string>();
        for await (const { run: at } of service.run({ models: model ? [model] : [] })) {
          if (!at) continue;
          setProgress(`${at.model}: ${at.steps.at(-1)?.name ?? "running"}…`);
          if (at.state === RunState.SUCCEEDED && !seen.has(at.id)) {
            seen.add(at.id);
            rows += at.rowsWritten;
          }
          if (at.state === RunState.FAILED) failed = `${at.model}: ${at.error}`;
        }
        if (failed) throw new Error(failed);
        toast.done(
          seen.size === 0
            ? "Nothing to do: the watermarks are at the head."
            : `${seen.size} ${seen.size === 1 ? "run" : "runs"}, ${count(rows)} rows written.`,
        );
      };
      go()
        .catch((error) => toast.failed(error, `run ${model || "the models"}`))
        .finally(() => {
          setRunning(undefined);
          setProgress("");
          for (const schema of [ModelService, CatalogService]) {
            void client.invalidateQueries({ queryKey: createConnectQueryKey({ schema, cardinality: undefined }) });
          }
        });
    },
    [toast, client],
  );
  return { running, progress, run };
}
