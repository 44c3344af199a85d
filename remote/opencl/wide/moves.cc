#include "remote/opencl/wide/moves.h"

#include <algorithm>
#include <new>

#include "remote/opencl/image_format.h"
#include "remote/opencl/wide/direct.h"

namespace flexai::remote::opencl::wide {

EventArrival::EventArrival(bool is_move, cl_event at_end, cl_command_queue on)
    : Arrival(is_move), event(at_end), queue(on) {
  below().clRetainEvent(event);
  if (queue != nullptr) below().clRetainCommandQueue(queue);
}

EventArrival::~EventArrival() {
  below().clReleaseEvent(event);
  if (queue != nullptr) below().clReleaseCommandQueue(queue);
}

void send_now(cl_command_queue queue, cl_event event) {
  cl_int status = CL_QUEUED;
  below().clFlush(queue);
  below().clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, nullptr);
}

namespace {

constexpr size_t kWhole[3] = {};
// What moves at once, so that the way here and the way on overlap.
constexpr size_t kPiece = 4u << 20;

cl_mem_flags flags_of(const WideMem& mem) {
  return mem.flags & ~(kHostAccess | CL_MEM_COPY_HOST_PTR);
}

cl_mem make_buffer(WideMem* mem, Place host, cl_int* code) {
  const cl_context context = mem->context()->hosts[host].context;
  const cl_mem_flags flags = flags_of(*mem);
  if (mem->properties.empty())
    return below().clCreateBuffer(context, flags, mem->size, mem->host_ptr, code);
  return below().clCreateBufferWithProperties(context, mem->properties.data(), flags, mem->size,
                                              mem->host_ptr, code);
}

cl_mem make_image(WideMem* mem, Place host, cl_mem of, cl_int* code) {
  const cl_context context = mem->context()->hosts[host].context;
  const cl_mem_flags flags = flags_of(*mem);
  cl_image_desc desc = mem->desc;
  desc.mem_object = of;
  if (mem->host_ptr == nullptr && of == nullptr) desc.image_row_pitch = desc.image_slice_pitch = 0;
  if (mem->properties.empty())
    return below().clCreateImage(context, flags, &mem->format, &desc, mem->host_ptr, code);
  return below().clCreateImageWithProperties(context, mem->properties.data(), flags, &mem->format,
                                             &desc, mem->host_ptr, code);
}

// One move of bytes, from its beginning to the end of its gate. Held by whoever acts next.
struct Transit {
  WideContext* context;  // held
  cl_mem to;             // held
  cl_command_queue queue;
  cl_event gate;  // held; null: somebody waits for the write itself
  size_t begin, size;
  bool pixels;
  size_t region[3];
  std::shared_ptr<std::vector<std::byte>> bytes;
};

void over(Transit* transit, cl_int status) {
  below().clSetUserEventStatus(transit->gate, status < 0 ? status : CL_COMPLETE);
  below().clReleaseEvent(transit->gate);
  below().clReleaseMemObject(transit->to);
  drop(transit->context);
  delete transit;
}

void CL_CALLBACK on_written(cl_event event, cl_int status, void* data) {
  below().clReleaseEvent(event);
  over(static_cast<Transit*>(data), status);
}

cl_int write(const Transit& transit, cl_event* event) {
  if (!transit.pixels)
    return below().clEnqueueWriteBuffer(transit.queue, transit.to, CL_FALSE, transit.begin,
                                        transit.size, transit.bytes->data(), 0, nullptr, event);
  return below().clEnqueueWriteImage(transit.queue, transit.to, CL_FALSE, kWhole, transit.region, 0,
                                     0, transit.bytes->data(), 0, nullptr, event);
}

// On the thread of callbacks: the bytes are here and go on.
void CL_CALLBACK on_read(cl_event event, cl_int status, void* data) {
  auto* transit = static_cast<Transit*>(data);
  below().clReleaseEvent(event);
  cl_event written = nullptr;
  if (status == CL_COMPLETE) status = write(*transit, &written);
  if (written == nullptr) return over(transit, status < 0 ? status : CL_OUT_OF_RESOURCES);
  send_now(transit->queue, written);
  if (below().clSetEventCallback(written, CL_COMPLETE, on_written, transit) != CL_SUCCESS)
    on_written(written, CL_OUT_OF_RESOURCES, transit);
}

void CL_CALLBACK on_ended(cl_event, cl_int status, void* data) {
  auto* proxy = static_cast<cl_event>(data);
  below().clSetUserEventStatus(proxy, status < 0 ? status : CL_COMPLETE);
  below().clReleaseEvent(proxy);
}

// Frees the program's bytes when they have been written.
void CL_CALLBACK on_given(cl_event, cl_int, void* data) {
  delete static_cast<std::shared_ptr<std::vector<std::byte>>*>(data);
}

void set_region(const WideMem& image, size_t region[3]) {
  const Extent extent = extent_of(image.desc);
  region[0] = extent.width;
  region[1] = extent.height;
  region[2] = extent.depth;
}

Transit transit_of(WideMem* root, const Ranges::Move& move, Place to, cl_mem real) {
  Transit transit{root->context(), real, root->context()->hosts[to].mover, nullptr, 0, 0, false, {},
                  nullptr};
  transit.begin = move.begin;
  transit.size = move.end - move.begin;
  transit.pixels = !root->is_bytes();
  if (transit.pixels) set_region(*root, transit.region);
  return transit;
}

// The bytes that the program gave when it made the object.
cl_int give(WideMem* root, const Ranges::Move& move, Place to, cl_mem real, cl_event* event) {
  Transit transit = transit_of(root, move, to, real);
  transit.bytes = root->given;
  cl_int code = CL_SUCCESS;
  if (transit.pixels) {
    code = write(transit, event);
  } else {
    code = below().clEnqueueWriteBuffer(transit.queue, real, CL_FALSE, transit.begin, transit.size,
                                        root->given->data() + transit.begin, 0, nullptr, event);
  }
  if (code != CL_SUCCESS) return code;
  auto* keep = new std::shared_ptr<std::vector<std::byte>>(root->given);
  if (below().clSetEventCallback(*event, CL_COMPLETE, on_given, keep) != CL_SUCCESS) delete keep;
  return CL_SUCCESS;
}

cl_int fetch(WideMem* root, const Ranges::Move& move, Place to, cl_mem real, cl_event* gate) {
  Host& from = root->context()->hosts[move.from];
  const auto* after = static_cast<const EventArrival*>(move.after.get());
  std::shared_ptr<std::vector<std::byte>> bytes;
  try {
    bytes = std::make_shared<std::vector<std::byte>>(root->is_bytes() ? move.end - move.begin
                                                                      : root->size);
  } catch (const std::bad_alloc&) {
    return CL_OUT_OF_HOST_MEMORY;
  }
  cl_int code = CL_SUCCESS;
  *gate = below().clCreateUserEvent(root->context()->hosts[to].context, &code);
  if (code != CL_SUCCESS) return code;
  if (after != nullptr && after->queue != nullptr) below().clFlush(after->queue);
  const cl_uint count = after == nullptr ? 0 : 1;
  const cl_event* wait = after == nullptr ? nullptr : &after->event;
  cl_event read = nullptr;
  Transit transit = transit_of(root, move, to, real);
  if (transit.pixels) {
    code = below().clEnqueueReadImage(from.mover, root->reals[move.from], CL_FALSE, kWhole,
                                      transit.region, 0, 0, bytes->data(), count, wait, &read);
  } else {
    code = below().clEnqueueReadBuffer(from.mover, root->reals[move.from], CL_FALSE, transit.begin,
                                       transit.size, bytes->data(), count, wait, &read);
  }
  if (code != CL_SUCCESS) {
    below().clReleaseEvent(*gate);
    return code;
  }
  send_now(from.mover, read);
  transit.bytes = std::move(bytes);
  transit.gate = *gate;
  below().clRetainEvent(*gate);
  below().clRetainMemObject(real);
  hold(transit.context);
  auto* goes = new Transit(std::move(transit));
  if (below().clSetEventCallback(read, CL_COMPLETE, on_read, goes) != CL_SUCCESS)
    on_read(read, CL_OUT_OF_RESOURCES, goes);
  return CL_SUCCESS;
}

cl_int start(WideMem* root, const Ranges::Move& move, Place host, cl_mem real,
             std::vector<cl_event>* waits) {
  cl_event gate = nullptr;
  const bool is_given = move.from == kProgram;
  const auto direct = is_given ? std::nullopt : go_direct(root, move, host, real);
  cl_int code = CL_SUCCESS;
  if (is_given) {
    code = give(root, move, host, real, &gate);
  } else if (direct) {
    gate = *direct;
  } else {
    code = fetch(root, move, host, real, &gate);
  }
  if (code != CL_SUCCESS) return code;
  const cl_command_queue queue = is_given ? root->context()->hosts[host].mover : nullptr;
  auto arrival = std::make_shared<EventArrival>(true, gate, queue);
  below().clReleaseEvent(gate);
  if (queue != nullptr) send_now(queue, gate);
  root->ranges->arrives(move.begin, move.end, host, arrival);
  waits->push_back(gate);
  return CL_SUCCESS;
}

}  // namespace

cl_mem real_of(WideMem* mem, Place host, cl_int* code) {
  *code = CL_SUCCESS;
  cl_mem& real = mem->reals[host];
  if (real != nullptr) return real;
  cl_mem of = nullptr;
  if (mem->of() != nullptr) {
    of = real_of(mem->of(), host, code);
    if (of == nullptr) return nullptr;
  }
  if (mem->type != CL_MEM_OBJECT_BUFFER) {
    real = make_image(mem, host, of, code);
  } else if (of != nullptr) {
    const cl_buffer_region region{mem->offset, mem->size};
    // What it has from the whole it gets from there.
    const cl_mem_flags access =
        mem->flags & (CL_MEM_READ_WRITE | CL_MEM_READ_ONLY | CL_MEM_WRITE_ONLY);
    real = below().clCreateSubBuffer(of, access, CL_BUFFER_CREATE_TYPE_REGION, &region, code);
  } else {
    real = make_buffer(mem, host, code);
  }
  if (*code != CL_SUCCESS) real = nullptr;
  return real;
}

cl_event there(WideEvent* event, Place host, cl_int* code) {
  *code = CL_SUCCESS;
  if (event->command != CL_COMMAND_USER && event->host == host) return event->real;
  cl_event& proxy = event->proxies[host];
  if (proxy != nullptr) return proxy;
  proxy = below().clCreateUserEvent(event->context()->hosts[host].context, code);
  if (*code != CL_SUCCESS) {
    proxy = nullptr;
    return nullptr;
  }
  if (event->queue() != nullptr) below().clFlush(event->queue()->real);
  below().clRetainEvent(proxy);
  if (below().clSetEventCallback(event->real, CL_COMPLETE, on_ended, proxy) != CL_SUCCESS)
    on_ended(event->real, CL_OUT_OF_RESOURCES, proxy);
  return proxy;
}

cl_int bring(WideMem* root, size_t begin, size_t end, Place host, std::vector<cl_event>* waits) {
  if (!root->is_bytes()) begin = 0, end = 1;  // an image moves whole
  const Ranges::Need need = root->ranges->need(begin, end, host);
  for (const Token& token : need.under_way)
    waits->push_back(static_cast<const EventArrival*>(token.get())->event);
  if (need.moves.empty()) return CL_SUCCESS;
  cl_int code = CL_SUCCESS;
  const cl_mem real = real_of(root, host, &code);
  for (size_t i = 0; code == CL_SUCCESS && i < need.moves.size(); ++i) {
    Ranges::Move piece = need.moves[i];
    const size_t last = piece.end;
    for (; code == CL_SUCCESS && piece.begin < last; piece.begin = piece.end) {
      piece.end = std::min(last, piece.begin + kPiece);
      code = start(root, piece, host, real, waits);
    }
  }
  if (root->given != nullptr && !root->ranges->anything_at(kProgram)) root->given.reset();
  return code;
}

}  // namespace flexai::remote::opencl::wide
