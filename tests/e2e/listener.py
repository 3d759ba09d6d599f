"""A TCP server in a thread of its own, while a test does something else."""

import asyncio
import threading


class Listener:
    """Serves connections by `_serve(reader, writer)`, in `loop`. Whoever inherits sets what that needs before this begins."""

    def __init__(self, port=0, context=None):
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(started, port, context), daemon=True)
        self.thread.start()
        started.wait()
        self.port = self.server.sockets[0].getsockname()[1]

    def _run(self, started, port, context):
        asyncio.set_event_loop(self.loop)
        start = asyncio.start_server(self._serve, "127.0.0.1", port, ssl=context)
        self.server = self.loop.run_until_complete(start)
        started.set()
        self.loop.run_forever()

    def stop(self):
        asyncio.run_coroutine_threadsafe(self._close(), self.loop).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _close(self):
        self.server.close()
        open_ones = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)
