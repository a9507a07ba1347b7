import { type Finding, type Matrix, matrixOf } from "~/lake/compatibility";
import embedded from "../../../../docs/compatibility/embedded.json";
import layout from "../../../../docs/compatibility/layout.json";
import minio from "../../../../docs/compatibility/minio.json";

/** An object store on which the tests ran, and what they found there. */
export type Store = {
  value: string;
  label: string;
  /** As it stands in a sentence. */
  on: string;
  /** What `make test-engines` wants to run on it. */
  run: string;
  matrix: Matrix;
};

/** The store that is meant without a word, and the other one. */
export const stores: readonly [Store, Store] = [
  {
    value: "embedded",
    label: "Embedded store",
    on: "the embedded store",
    run: "",
    matrix: matrixOf(embedded as Finding[], layout),
  },
  { value: "minio", label: "MinIO", on: "MinIO", run: "S3=minio ", matrix: matrixOf(minio as Finding[], layout) },
];
