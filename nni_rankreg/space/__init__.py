"""Search spaces with their encodings in the literature; each is an NNI model space."""

from .depth import DepthDecoder, decode_depth, encode_depth
from .joint import JointDraw
from .nasbench101 import (
    ModelSpec,
    NasBench101,
    decode_nasbench101,
    encode_nasbench101,
    hash_nasbench101,
)
from .nasbench201 import NasBench201, decode_nasbench201, encode_nasbench201
from .nds import (
    ENAS,
    PNAS,
    AmoebaNet,
    DARTSSpace,
    Genotype,
    NASNet,
    NDSSpace,
    decode_nds,
    encode_nds,
)
from .parameters import choice_parameters
from .proxyless import ProxylessNAS, decode_proxyless, encode_proxyless
from .resnet48 import ResNet48, decode_resnet48, encode_resnet48, width_distance
from .twins import CanonicalForm, canonical_form, results_by_form

__all__ = ['NasBench101', 'ModelSpec', 'encode_nasbench101', 'decode_nasbench101',
           'hash_nasbench101', 'NasBench201', 'encode_nasbench201', 'decode_nasbench201',
           'NDSSpace', 'DARTSSpace', 'ENAS', 'PNAS', 'AmoebaNet', 'NASNet', 'Genotype',
           'encode_nds', 'decode_nds', 'ProxylessNAS', 'encode_proxyless', 'decode_proxyless',
           'ResNet48', 'encode_resnet48', 'decode_resnet48', 'width_distance', 'DepthDecoder',
           'encode_depth', 'decode_depth', 'JointDraw', 'choice_parameters',
           'CanonicalForm', 'canonical_form', 'results_by_form']
