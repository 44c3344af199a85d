#include "remote/opencl/client/parcel.h"

#include "remote/opencl/client/birth.h"
#include "remote/opencl/client/client.h"

namespace flexai::remote::opencl {

Parcel::Parcel(const Landing& from) : payload_{{from.at, from.size()}, 0} {
  if (from.at == nullptr) return;
  if (!from.whole()) {
    tight_.reset(new (std::nothrow) std::byte[from.size()]);
    full_ = tight_ == nullptr;
    if (full_) return;
    gather(from, tight_.get());
    payload_.bytes = {tight_.get(), from.size()};
  }
  wire::Bulk* bulk = Client::get().bulk();
  if (payload_.bytes.size() < kBulkBytes || bulk == nullptr) return;
  transfer_ = take_id();
  if (transfer_ != 0 && bulk->send(transfer_, payload_.bytes).ok()) payload_.bulk = transfer_;
}

Parcel::~Parcel() { give_back_id(transfer_); }

cl_int Parcel::done(cl_int code) {
  if (!by_bulk()) return code;
  wire::Bulk* bulk = Client::get().bulk();
  if (code == CL_SUCCESS && !bulk->wait_sent(transfer_, 0).ok()) code = kGone;
  if (code != CL_SUCCESS) bulk->cancel_send(transfer_);
  payload_.bulk = 0;
  return code;
}

}  // namespace flexai::remote::opencl
