import { useMutation } from "@connectrpc/connect-query";
import { MaintenanceService } from "~/gen/firn/v1/maintenance_pb";
import { Go } from "~/ui/go";
import { useToast } from "~/ui/say";

/** Queues a job and says so, with the way to it; doing is what failed if it did. */
export function useSubmitJob(doing: string, onDone: () => void) {
  const toast = useToast();
  return useMutation(MaintenanceService.method.submitJob, {
    onSuccess: (answer) => {
      onDone();
      toast.done(
        <>
          Queued.{" "}
          <Go to="/jobs" search={{ job: answer.job?.id }} className="link">
            Watch the job
          </Go>
        </>,
      );
    },
    onError: (error) => toast.failed(error, doing),
  });
}
