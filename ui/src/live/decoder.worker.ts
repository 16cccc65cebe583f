/** Decodes frames beside the page's thread; each lane is a stream of frames that have much in common. */
import type { Answer, Question } from "./decoder";
import { FrameUnpacker } from "./frames";

const lanes = new Map<number, { readonly unpacker: FrameUnpacker; last: Promise<void> }>();

onmessage = ({ data }: MessageEvent<Question>) => {
  const { lane, bytes } = data;
  if (bytes === undefined) {
    lanes.delete(lane);
    return;
  }
  let found = lanes.get(lane);
  if (found === undefined) lanes.set(lane, (found = { unpacker: new FrameUnpacker(), last: Promise.resolve() }));
  const { unpacker } = found;
  found.last = found.last.then(() => answer(unpacker, data.id, bytes));
};

async function answer(unpacker: FrameUnpacker, id: number, bytes: ArrayBuffer): Promise<void> {
  try {
    const frame = await unpacker.unpack(bytes);
    reply({ id, frame }, [frame.codes.buffer]);
  } catch (error) {
    reply({ id, error: error instanceof Error ? error.message : String(error) }, []);
  }
}

function reply(message: Answer, moved: ArrayBufferLike[]): void {
  postMessage(message, { transfer: moved as ArrayBuffer[] });
}
