import { Code, ConnectError } from "@connectrpc/connect";

/** A fault as people need it: what happened, why, and what to do. */
type Explained = { what: string; why: string; help: string; code: string };

export function explain(error: unknown, doing: string): Explained {
  const fault = ConnectError.from(error);
  const code = Code[fault.code] ?? "Unknown";
  return { what: `Could not ${doing}.`, why: fault.rawMessage || fault.message, help: helpFor(fault), code };
}

const SILENT =
  "The service did not answer. Look whether `firn dev` or `firn serve` runs; the page tries again by itself.";

/** Whether the service could not be reached at all. A fetch that never reached it comes as an unknown fault. */
export function unreachable(error: unknown): boolean {
  const fault = ConnectError.from(error);
  return fault.code === Code.Unavailable || (fault.code === Code.Unknown && /fetch|network/i.test(fault.message));
}

function helpFor(fault: ConnectError): string {
  if (unreachable(fault)) return SILENT;
  switch (fault.code) {
    case Code.NotFound:
      return "It may have been dropped or renamed. Go back to the list, or look in the commit log on the overview.";
    case Code.InvalidArgument:
      return "The request is at fault: change what the message names and try again.";
    case Code.FailedPrecondition:
    case Code.Aborted:
      return "Something changed meanwhile. Load the page again and repeat the action.";
    case Code.ResourceExhausted:
      return "A limit was reached. Ask for less at a time, or raise the limit in the configuration.";
    case Code.DeadlineExceeded:
      return "It took longer than allowed. Narrow the question (a filter, fewer columns), or raise the deadline.";
    case Code.Unimplemented:
      return "This process does not take that role. Start it with the role, or use the address of one that has it.";
    case Code.PermissionDenied:
    case Code.Unauthenticated:
      return "You may not do this. Ask whoever runs this lake for the right.";
    case Code.Canceled:
      return "It was cancelled. Start it again when you want it.";
    default:
      return "The log of the process says more: `firn doctor` checks what it relies on.";
  }
}
