/**
 * A small lake in memory, in the shape of the retail demo: what
 * `npm run dev:fake` shows the screens with. Its numbers are made up.
 */
export { bronzeHead } from "./lake/base";
export * from "./lake/rows";
export * from "./lake/tables";
export * from "./lake/work";
