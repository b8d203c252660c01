// storage/page_image.h
//
// The bytes of one page in a checkpoint: independent of addresses and of free bytes, so equal
// contents give equal images.
//
// Thread: any. Errors: decode_page gives kCorruption or kInvalidArgument. Sources: [S 08/4.9].
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/status.h"
#include "storage/page.h"

namespace worldline::storage {

struct PageRelease {
  void operator()(Page* page) const { page->release(); }
};
using PagePtr = std::unique_ptr<Page, PageRelease>;

void encode_page(const Page& page, ByteBuffer& out);
Result<PagePtr> decode_page(Bytes image, uint64_t version);

}  // namespace worldline::storage
