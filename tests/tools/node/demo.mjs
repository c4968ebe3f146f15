// Starts `rollcall demo` on a free port, for checks that need a running server.
import { spawn } from "node:child_process";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";

const target = process.env.CARGO_TARGET_DIR ?? path.join(os.homedir(), ".cache/rollcall-target");

/** Answers what the demo says of itself, and how to stop it. */
export async function demo(...flags) {
  const program = process.env.ROLLCALL ?? path.join(target, "debug/rollcall");
  const child = spawn(program, ["demo", "--listen", "127.0.0.1:0", "--json", ...flags], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr.on("data", (data) => { log += data; });
  const lines = readline.createInterface({ input: child.stdout });
  const said = await new Promise((resolve, reject) => {
    lines.once("line", (line) => resolve(JSON.parse(line)));
    child.once("exit", (code) => reject(new Error(`the demo ended with ${code}: ${log}`)));
  });
  return { ...said, stop: () => child.kill("SIGTERM") };
}
