// node lint.mjs FILE: every finding of Redocly's recommended rules, a line each; warnings count.
import { createConfig, lint } from "@redocly/openapi-core";

const config = await createConfig({
  extends: ["recommended"],
  // An operation that becomes a WebSocket succeeds with 101.
  rules: { "operation-2xx-response": "off" },
});
const findings = await lint({ ref: process.argv[2], config });
for (const { severity, ruleId, message, location } of findings)
  console.log(`${severity} ${ruleId} ${location[0]?.pointer ?? ""}: ${message}`);
process.exit(findings.length ? 1 : 0);
