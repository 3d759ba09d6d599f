// BullMQ behind the lines that bullmq.c speaks: node bullmq.js REDIS_PORT. Says "listening <port>" when it is ready, and
// runs until its standard input ends.
'use strict';
const net = require('node:net');
const { Queue, Worker } = require('bullmq');

const BATCH_MAX = 1000;
const CONCURRENCY = 100;
const connection = { host: '127.0.0.1', port: Number(process.argv[2]), maxRetriesPerRequest: null };
const queue = new Queue('delayed', { connection });
let client = null;
let waiting = [];
let adding = false;

const worker = new Worker('delayed', async (job) => client.write(`=${Date.now()} ${job.data}\n`), {
  connection,
  concurrency: CONCURRENCY,
});

function jobOf(line) {
  const first = line.indexOf(' ');
  const second = line.indexOf(' ', first + 1);
  const timestamp = Number(line.slice(0, first));
  const due = Number(line.slice(first + 1, second));
  const opts = { timestamp, delay: due - timestamp, removeOnComplete: true, removeOnFail: true };
  return { name: 'order', data: line.slice(second + 1), opts };
}

// One call at a time, each with all that has come meanwhile, so that answers keep the order.
async function addAll() {
  if (adding) return;
  adding = true;
  while (waiting.length > 0) {
    const batch = waiting.splice(0, BATCH_MAX);
    await queue.addBulk(batch.map(jobOf));
    client.write(`+${batch.length}\n`);
  }
  adding = false;
}

function serve(socket) {
  let half = '';
  client = socket.setNoDelay(true).setEncoding('utf8');
  socket.on('error', () => socket.destroy());
  socket.on('data', (text) => {
    const lines = (half + text).split('\n');
    half = lines.pop();
    waiting = waiting.concat(lines);
    addAll().catch(fail);
  });
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

worker.on('error', fail);
process.stdin.resume().on('end', () => process.exit(0));
Promise.all([queue.waitUntilReady(), worker.waitUntilReady()])
  .then(() => {
    const server = net.createServer(serve);
    server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
  })
  .catch(fail);
