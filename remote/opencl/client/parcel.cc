#include "remote/opencl/client/parcel.h"

namespace flexai::remote::opencl {

Parcel::Parcel(const Landing& from, Event* event) : payload_{{from.at, from.size()}, 0} {
  if (from.at == nullptr) return;
  if (!from.whole()) {
    tight_.reset(new (std::nothrow) std::byte[from.size()]);
    full_ = tight_ == nullptr;
    if (full_) return;
    gather(from, tight_.get());
    payload_.bytes = {tight_.get(), from.size()};
  }
  if (event != nullptr && needs_event(payload_.bytes.size()) &&
      event->send(payload_.bytes, std::move(tight_)))
    payload_.bulk = event->id;
}

}  // namespace flexai::remote::opencl
