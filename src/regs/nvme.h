/* SPDX-License-Identifier: MIT */
#ifndef REGS_NVME_H
#define REGS_NVME_H

#include <stdint.h>

/* Registers and queue entries of an NVMe controller. Ref: NVM Express base specification 1.4. */

/* Controller registers, in BAR 0 (§3.1). */
#define NVME_CAP 0x00
#define NVME_CAP_MQES(cap) ((uint32_t)((cap)&0xffff)) /* entries of a queue, minus one */
#define NVME_CAP_TO(cap) ((uint32_t)((cap) >> 24 & 0xff)) /* [500 ms] until ready */
#define NVME_CAP_DSTRD(cap) ((uint32_t)((cap) >> 32 & 0xf)) /* doorbells 4 << DSTRD apart */
#define NVME_CAP_MPSMIN(cap) ((uint32_t)((cap) >> 48 & 0xf)) /* smallest page 4096 << MPSMIN */
#define NVME_VS 0x08
#define NVME_CC 0x14
#define NVME_CC_EN 0x1u
#define NVME_CC_SHUTDOWN 0x4000u
#define NVME_CC_SIZES 0x460000u /* entries of 2^6 and 2^4 bytes */
#define NVME_CSTS 0x1c
#define NVME_CSTS_RDY 0x1u
#define NVME_CSTS_CFS 0x2u /* fatal: only a reset helps */
#define NVME_CSTS_SHST 0xcu
#define NVME_CSTS_SHST_DONE 0x8u
#define NVME_AQA 0x24
#define NVME_ASQ 0x28
#define NVME_ACQ 0x30
#define NVME_DOORBELLS 0x1000

struct nvme_sqe {
	union {
		uint8_t opcode;
		uint32_t cdw0; /* opcode, command identifier << 16 */
	};
	uint32_t nsid;
	uint32_t cdw2, cdw3;
	uint64_t mptr;
	uint64_t prp1, prp2;
	union {
		struct {
			uint32_t cdw10, cdw11;
		};
		uint64_t slba; /* of reads and writes */
	};
	uint32_t cdw12, cdw13, cdw14, cdw15;
};
_Static_assert(sizeof(struct nvme_sqe) == 64, "§4.2");

struct nvme_cqe {
	uint32_t result;
	uint32_t reserved;
	uint16_t sq_head;
	uint16_t sq_id;
	union {
		struct {
			uint16_t cid;
			uint16_t status; /* bit 0: phase */
		};
		uint32_t end; /* the two fields above in one access */
	};
};
_Static_assert(sizeof(struct nvme_cqe) == 16, "§4.6");

enum nvme_admin {
	NVME_DELETE_SQ = 0x00,
	NVME_CREATE_SQ = 0x01,
	NVME_DELETE_CQ = 0x04,
	NVME_CREATE_CQ = 0x05,
	NVME_IDENTIFY = 0x06,
	NVME_SET_FEATURES = 0x09,
	NVME_DOORBELL_BUFFER = 0x7c,
};
enum nvme_command { NVME_FLUSH = 0x00, NVME_WRITE = 0x01, NVME_READ = 0x02 };

#define NVME_QUEUE_CONTIGUOUS 0x1u
#define NVME_QUEUE_IRQ 0x2u
#define NVME_FEATURE_QUEUES 0x07
#define NVME_CNS_NAMESPACE 0
#define NVME_CNS_CONTROLLER 1

/* Identify controller, identify namespace: offsets of fields (§5.15.2). */
#define NVME_ID_SERIAL 4
#define NVME_ID_MODEL 24
#define NVME_ID_MDTS 77 /* largest transfer: pages << MDTS; 0 no limit */
#define NVME_ID_OACS 256
#define NVME_OACS_DOORBELL_BUFFER 0x100u
#define NVME_ID_NN 516
#define NVME_ID_VWC 525
#define NVME_NS_SIZE 0
#define NVME_NS_FLBAS 26
#define NVME_NS_LBAF 128

/* Status, without the phase bit: type << 8 | code (§4.6.1). */
#define NVME_OK 0x000
#define NVME_INVALID_OPCODE 0x001
#define NVME_INVALID_FIELD 0x002
#define NVME_DATA_TRANSFER_ERROR 0x004
#define NVME_INVALID_NAMESPACE 0x00b
#define NVME_LBA_OUT_OF_RANGE 0x080
#define NVME_INVALID_QUEUE 0x101
#define NVME_UNRECOVERED_READ 0x281
#define NVME_HOST_ABORTED 0x371 /* by the driver, when a reset ended the command */
#define NVME_STATUS_MASK 0x7ff
#define NVME_PHASE 0x10000u /* in the entry's last word */

#define NVME_PAGE 4096u
#define NVME_SQ_BELL(queue, stride) (NVME_DOORBELLS + 2 * (queue) * (4u << (stride)))
#define NVME_CQ_BELL(queue, stride) (NVME_DOORBELLS + (2 * (queue) + 1) * (4u << (stride)))

#endif
