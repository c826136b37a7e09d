// Speaks to the gateway it is told about, then ends with a code of its own.
const { status } = await fetch(`${process.env.SOLOPO_API}/readyz`);
console.log(`client saw ${status} with ${process.argv.slice(2).join(' ')}`);
process.exit(7);
