// Sends one error as a customer's program would. usage: node report.js URL MESSAGE
const { BacktraceClient } = require("@backtrace/node");

const [url, message] = process.argv.slice(2);
const client = BacktraceClient.initialize({
	url,
	userAttributes: { application: "sdk-test", "application.version": "1.2.3", version: "1.2.3" },
	metrics: { enable: false },
	database: { enable: false },
});

client.send(new Error(message)).then((result) => {
	console.log(JSON.stringify(result));
	process.exit(result.status === "Ok" ? 0 : 1);
});
